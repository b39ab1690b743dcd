"""Which variations a build can have on this machine, on this engine and in its image."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildbox.container import Bind
from buildbox.engine.protocol import Engine
from buildbox.tasks.plan import Step
from buildbox.vary import clock, order, variations
from buildbox.vary.changes import Changes
from buildbox.vary.trial import Traits, Trials
from buildbox.vary.variations import CLOCK, CPUS, ORDER, Unvaried, Variation, unvaried

_ONLINE, _CPUINFO = "/sys/devices/system/cpu/online", "/proc/cpuinfo"
_PLAIN_LOCALES = ("c", "posix", "c.utf8", "c.utf-8")
_MACHINE = Unvaried(
    "machine", "the kernel and the model of the CPU", "they are this machine's; another one has others"
)


@dataclass(frozen=True)
class Surroundings:
    """What the choice depends on, beside the image."""

    uid: int  # the caller's
    rootless: bool  # root inside a container is the caller outside
    run: str
    scratch: Path  # for small files; there as long as anything is varied
    shares_files: bool  # the engine sees them


@dataclass(frozen=True)
class Clocks:
    """A clock that stands still, and the machine's by way of the same library."""

    frozen: Changes
    steady: Changes


@dataclass(frozen=True)
class Choice:
    """What is varied."""

    variations: tuple[Variation, ...]
    apart: tuple[Variation, ...]  # that can't go together with the others
    unvaried: tuple[Unvaried, ...]
    clocks: Clocks | None = None  # None: they can't be had


def choose(
    engine: Engine, image_id: str, env: tuple[tuple[str, str], ...], step: Step, around: Surroundings
) -> Choice:
    """The variations of `step`, in the engine's image `image_id`, whose own environment is `env`.

    Raises ImageMissing.
    """
    trials = Trials(engine, image_id, env, around.run)
    local = around.shares_files
    traits = trials.look()
    library = _library(around.scratch)
    found = [
        *_by_name(step, around, traits),
        _user(step, around),
        variations.umask()
        if traits.shell
        else unvaried("umask", "the image has no /bin/sh that could set it"),
        _cpus(trials, around.scratch, local),
        _order(trials, step, around, local),
        _clock(trials, library, step, local),
    ]
    varied = [each for each in found if isinstance(each, Variation)]
    # Files in memory are this machine's, and only root can give them to another user.
    apart = [each for each in varied if each.name == ORDER and around.uid != 0 and not around.rootless]
    clocks = library and any(each.name == CLOCK for each in varied)
    return Choice(
        tuple(each for each in varied if each not in apart),
        tuple(apart),
        (*(each for each in found if isinstance(each, Unvaried)), _MACHINE),
        Clocks(clock.frozen(library), clock.steady(library)) if library and clocks else None,
    )


def _by_name(step: Step, around: Surroundings, traits: Traits) -> Iterator[Variation | Unvaried]:
    """What takes nothing of the machine; what a task sets itself is the same everywhere."""
    yield variations.build_path()
    yield variations.host_name()
    own = step.task.env.keys()
    others = [name for name in traits.locales if name.lower() not in _PLAIN_LOCALES]
    others.sort(key=lambda name: ("utf" not in name.lower(), name))
    for name, variable, variation in (
        ("home", "HOME", variations.other_home(around.scratch)),
        ("time-zone", "TZ", variations.time_zone()),
        ("locale", "LC_ALL", variations.locale(others[0] if others else "C")),
    ):
        yield unvaried(name, f"the task sets {variable} itself") if variable in own else variation


def _user(step: Step, around: Surroundings) -> Variation | Unvaried:
    if step.task.user != "caller":
        return unvaried("user", f"the task names it ({step.task.user}): it is the same everywhere")
    if around.rootless:
        return unvaried("user", "the engine is rootless: the user inside is always root")
    return variations.other_user(around.uid, around.scratch)


def _cpus(trials: Trials, scratch: Path, local: bool) -> Variation | Unvaried:
    mine = sorted(os.sched_getaffinity(0)) if local else [0]
    if local and len(mine) == 1:
        return unvaried(CPUS, "this machine has one")
    told = _told_cpus(mine[0], scratch) if local else ()
    for binds in (told, ()):
        if trials.can_have(mine[0], binds):
            return variations.cpu_count(mine[0], binds)
    return unvaried(CPUS, "the engine can't keep a container from the others")


def _told_cpus(cpu: int, scratch: Path) -> tuple[Bind, ...]:
    """Files that tell of one CPU: many programs don't ask which of the machine's they may use."""
    try:
        blocks = Path(_CPUINFO).read_text().split("\n\n")
        mine = [block for block in blocks if block.partition("\n")[0].split()[-1:] == [str(cpu)]]
        texts = {_ONLINE: f"{cpu}\n", _CPUINFO: f"{mine[0]}\n\n"}
        binds = []
        for number, (target, text) in enumerate(texts.items()):
            path = scratch / f"cpus{number}"
            path.write_text(text)
            path.chmod(0o644)
            binds.append(Bind(str(path), target, read_only=True))
    except (OSError, LookupError):
        return ()  # another kind of machine
    return tuple(binds)


def _order(trials: Trials, step: Step, around: Surroundings, local: bool) -> Variation | Unvaried:
    if not local:
        return unvaried(ORDER, "the engine is elsewhere")
    if around.uid != 0 and not around.rootless and step.task.user != "caller":
        return unvaried(ORDER, f"only root can give files in memory to the task's user ({step.task.user})")
    memory = order.memory_folder(around.uid)
    if memory is None:
        return unvaried(ORDER, "it takes a gigabyte of room for programs in memory (/dev/shm)")
    trial = memory / f"trial-{around.run}"
    try:
        trial.write_text(f"{around.run}\n")
        trial.chmod(0o644)
        seen = trials.sees(trial)
    finally:
        trial.unlink(missing_ok=True)
    return variations.file_order() if seen else unvaried(ORDER, f"the engine doesn't see {memory}")


def _library(scratch: Path) -> Path | None:
    """A copy of libfaketime: an engine may have another root, and see only what is this machine's users'."""
    found = clock.find_library()
    if found is None:
        return None
    copy = scratch / found.name
    shutil.copy(found, copy)
    copy.chmod(0o644)
    return copy


def _clock(trials: Trials, library: Path | None, step: Step, local: bool) -> Variation | Unvaried:
    if not local:
        return unvaried(CLOCK, "the engine is elsewhere")
    if library is None:
        return unvaried(CLOCK, "libfaketime isn't installed on this machine")
    if "LD_PRELOAD" in step.task.env:
        return unvaried(CLOCK, "the task sets LD_PRELOAD itself")
    if not trials.shows(library):
        return unvaried(CLOCK, "programs of the image don't heed libfaketime (another libc, or none)")
    return variations.clock_ahead(library)
