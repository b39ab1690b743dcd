"""What the doctor makes of what was found: facts -> verdicts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from buildbox.config.model import Config
from buildbox.doctor.survey import Survey
from buildbox.doctor.trial import Trial
from buildbox.engine.find import Address
from buildbox.engine.protocol import EngineInfo
from buildbox.engine.sight import Sight
from buildbox.errors import ArchiveError, BuildboxError, ConfigError, Exit
from buildbox.units import show_duration, show_size
from buildbox.vetting import seen_there

OK, WARN, FAIL = "ok", "warn", "fail"
NAMES = (  # of all checks, in the order in which they are made
    "engine",
    "version",
    "store",
    "mode",
    "engine disk",
    "clock",
    "archive",
    "archive disk",
    "container",
    "files",
    "project",
)
_ENGINE_VERSION = (20, 10)  # of Docker
_API_VERSION = (1, 41)
_LEAST_FREE = 2_000_000_000  # bytes
_LEAST_PART = 0.05
_ENOUGH_FREE = 20_000_000_000  # bytes, of which no part of a large disk is too small
_MOST_SKEW = 5.0  # seconds
_FIRST_YEAR = 2024  # no clock that is right shows an earlier one
_SLOW_START = 5.0  # seconds


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: str  # OK, WARN, FAIL
    found: str
    advice: str = ""  # what to do, several lines perhaps
    fault: Exit | None = None  # whose fault a failure is, where the name doesn't tell

    @property
    def exit(self) -> Exit:
        """The exit status that its failure has."""
        if self.fault:
            return self.fault
        if self.name.startswith("archive"):
            return Exit.ARCHIVE
        return Exit.USAGE if self.name == "project" else Exit.ENGINE


def worst(checks: Iterable[Check]) -> str:
    """The state of all together."""
    states = {check.state for check in checks}
    return FAIL if FAIL in states else WARN if WARN in states else OK


def exit_status(checks: Iterable[Check]) -> int:
    """0 when nothing fails; else that of the first failure, the engine's before the archive's."""
    failed = [check for check in checks if check.state == FAIL]
    by_rank = sorted(failed, key=lambda check: (Exit.ENGINE, Exit.ARCHIVE, Exit.USAGE).index(check.exit))
    return by_rank[0].exit if by_rank else Exit.OK


def failed(name: str, error: BuildboxError) -> Check:
    """The check `name` that ended in `error`."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    fault = Exit.ARCHIVE if isinstance(error, ArchiveError) else None
    return Check(name, FAIL, error.reason, "\n".join([*problems, *filter(None, [error.hint])]), fault)


def not_tried(name: str, why: str, advice: str = "") -> Check:
    """The check `name` that could not be made."""
    return Check(name, WARN, f"not tried: {why}", advice)


def engine(address: Address) -> Check:
    """An engine that answers."""
    return Check("engine", OK, f"answers at {address.url} ({address.why})")


def version(info: EngineInfo) -> Check:
    """Whether the engine is new enough."""
    found = f"{info.name} {info.version}, API {info.api_version}, for {info.platform}"
    docker = info.name == "Docker Engine"
    old = docker and _numbers(info.version) < _ENGINE_VERSION
    if old or _numbers(info.api_version) < _API_VERSION:
        return Check("version", FAIL, found, "Docker Engine 20.10 (API 1.41) or later is needed.")
    return Check("version", OK, found)


def store(info: EngineInfo) -> Check:
    """Where the engine keeps images; both kinds will do."""
    return Check("store", OK, info.store)


def mode(info: EngineInfo) -> Check:
    """Who is who in a container, and whether it can be kept within limits."""
    found = "rootful: tasks run with your own uid and gid"
    if info.rootless:
        found = "rootless: root in a container is you outside"
    if info.unlimited:
        return Check(
            "mode",
            WARN,
            f"{found}; it can't limit {', '.join(info.unlimited)}",
            "A task can take all that there is: its `memory`, `cpus` and `pids` have no effect.\n"
            "A rootless engine limits where cgroups are of version 2 and systemd hands it the controllers.",
        )
    return Check("mode", OK, found)


def sight(sight: Sight, folder: Path) -> Check:
    """What an engine sees that doesn't see all of this machine's files. Raises EngineError."""
    if sight.sees_tree(folder):
        return Check("files", OK, f"{sight.told}; it sees {folder}, and buildbox's own files are sent")
    return Check(
        "files",
        WARN,
        f"{sight.told}, and doesn't see {folder} of here",
        "Hermetic tasks are sent there; mounted ones are refused, but with buildbox run --hermetic.\n"
        f"{seen_there(sight)} for those.",
    )


def disk(name: str, folder: str, total: int, free: int) -> Check:
    """The room on the file system of `folder`; sizes in bytes."""
    found = f"{show_size(free)} of {show_size(total)} free at {folder}"
    if free < _LEAST_FREE or (free < _LEAST_PART * total and free < _ENOUGH_FREE):
        return Check(name, WARN, found, "Images need room: free some before the next one is fetched.")
    return Check(name, OK, found)


def clock(now: float, skew: float | None) -> Check:
    """This machine's time, and how much further the engine's clock is; both in seconds."""
    here = datetime.fromtimestamp(now, timezone.utc)
    text = f"{here:%Y-%m-%d %H:%M} UTC"
    if here.year < _FIRST_YEAR:
        advice = "Set this machine's clock: certificates and make don't work with a wrong one."
        return Check("clock", WARN, f"{text}, which can't be right", advice)
    if skew is None:
        return Check("clock", OK, text)
    if abs(skew) > _MOST_SKEW:
        found = f"the engine's is {show_duration(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
        advice = "Set both clocks: make and others rebuild too much or too little otherwise."
        return Check("clock", WARN, f"{text}; {found}", advice)
    return Check("clock", OK, f"{text}, the same as the engine's")


def archive(survey: Survey) -> Check:
    """The archive's soundness."""
    if not survey.exists:
        found = f"none yet at {survey.path}; it is made when the first image is kept"
    else:
        images = f"{survey.images} image{'' if survey.images == 1 else 's'}"
        found = f"{images}, {show_size(survey.size)} at {survey.path} (OCI image layout 1.0.0)"
    if survey.damaged:
        shown = "\n".join(survey.damaged)
        advice = f"{shown}\nThe next run without --offline fetches or builds again what is damaged."
        return Check("archive", FAIL, f"{found}; damaged: {len(survey.damaged)}", advice)
    if survey.closed:
        return Check(
            "archive",
            FAIL,
            f"{survey.closed} can't be written",
            "Make the folder writable for you, or name another: BUILDBOX_HOME.",
        )
    if survey.incomplete:
        advice = "The next run without --offline completes what it needs."
        return Check("archive", WARN, f"{found}; incomplete images: {survey.incomplete}", advice)
    return Check("archive", OK, found)


def container(trial: Trial) -> Check:
    """A container's start."""
    found = f"{trial.image} ran and ended in {show_duration(trial.seconds)}"
    if trial.timed_out:
        return Check("container", FAIL, f"{trial.image} did not end", "Look at the engine's log.")
    if trial.status:
        said = trial.output.strip() or "it said nothing"
        return Check("container", FAIL, f"{trial.image} ended with exit status {trial.status}", said)
    if trial.seconds > _SLOW_START:
        return Check("container", WARN, found, "That is slow. Is the machine, or its disk, very busy?")
    return Check("container", OK, found)


def files(trial: Trial, uid: int, gid: int) -> Check:
    """The ownership of files in both directions, for the caller `uid`:`gid`."""
    if not trial.read:
        return Check(
            "files",
            FAIL,
            f"a file of yours in {trial.folder} can't be read in a container",
            "Does the engine map users (userns-remap)? Does SELinux keep it out? Its log will say.",
        )
    if trial.owner is None:
        return Check(
            "files",
            FAIL,
            f"what a container writes in {trial.folder} doesn't arrive",
            "Does the engine run on this very machine, and see this file system?",
        )
    if trial.owner != (uid, gid):
        theirs = ":".join(map(str, trial.owner))
        return Check(
            "files",
            FAIL,
            f"a file that a container writes belongs to {theirs}, not to you ({uid}:{gid})",
            "Does the engine map users (userns-remap)? Turn that off, or use a rootless engine of your own.",
        )
    return Check("files", OK, f"yours can be read inside, and new ones belong to you ({uid}:{gid})")


def project(config: Config) -> Check:
    """The project's configuration, which loads."""
    unpinned = [pinned.title for pinned in config.images() if pinned.image.digest is None]
    tasks = f"{len(config.tasks)} task{'' if len(config.tasks) == 1 else 's'}"
    if unpinned:
        return Check("project", WARN, f"{config.path}: not pinned: {', '.join(unpinned)}", "buildbox pin")
    return Check("project", OK, f"{config.path}: {tasks}, every image is pinned")


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; one that isn't a version counts as new."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (999,)
