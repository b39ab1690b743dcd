"""Smoke checks: a recipe's own small scripts, each run in its image as a task is, without a network."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.comparing.finding import printable
from buildbox.config.model import DEFAULT_PIDS, DEFAULT_SHELL, Task, Toolchain
from buildbox.errors import BuildboxError, Exit
from buildbox.execute import Outcome, Streams
from buildbox.host import Host
from buildbox.progress import Progress
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.workplace import workplace
from buildbox.reference import ImageRef
from buildbox.run import run_step
from buildbox.session import Session
from buildbox.tasks.plan import Step
from buildbox.units import show_duration

OpenSession = Callable[[Path, Sequence[Step]], AbstractContextManager[Session]]  # for steps in a folder
TIMEOUT = 300.0  # seconds, of each check
TAIL = 25  # last lines of a check's log that are kept
_KEPT = 1 << 16  # last bytes of it
_STOPS = {128 + number: number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)}


@dataclass(frozen=True)
class Smoke:
    """What a smoke check has come to."""

    name: str
    status: int  # 0: it passed
    seconds: float
    timed_out: bool = False
    log: tuple[str, ...] = ()  # the end of what it wrote; what can't be printed is escaped

    @property
    def passed(self) -> bool:
        """Whether the image does what the check asks of it."""
        return self.status == 0

    @property
    def verdict(self) -> str:
        """In a few words, how it ended."""
        took = show_duration(self.seconds)
        if self.timed_out:
            return f"smoke check {self.name!r} was stopped at its timeout of {show_duration(TIMEOUT)}"
        return f"smoke check {self.name!r} " + (
            f"passed ({took})" if self.passed else f"failed: exit status {self.status} ({took})"
        )


class SmokeFailed(BuildboxError):
    """An image doesn't do what its recipe's smoke checks ask of it."""

    exit = Exit.DIFFERENT


class SmokeStopped(BuildboxError):
    """A signal ended a smoke check, so nothing is known."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"smoke check {name!r} was interrupted")
        self.exit = Exit(status) if status in (Exit.INTERRUPTED, Exit.TERMINATED) else Exit.TERMINATED


def run_smoke(
    recipe: Recipe, pin: ImageRef, temp: Path, host: Host, open_session: OpenSession, progress: Progress
) -> tuple[Smoke, ...]:
    """Runs all smoke checks of `recipe` in the image `pin`, each with an empty folder at /src.

    Raises EngineError, ImageError; SmokeStopped after a signal.
    """
    if not recipe.smoke:
        return ()
    steps = [_step(name, script, pin) for name, script in recipe.smoke]
    found = []
    progress.note(f"smoke checks of {recipe.text}: {', '.join(step.name for step in steps)}")
    with workplace(temp, host) as place, open_session(place.path, steps) as session:
        for number, step in enumerate(steps):
            folder = place.path / f"{number}"
            folder.mkdir(mode=0o700)
            log = _Log()
            inside = replace(session, bounds=replace(session.bounds, root=folder))
            progress.detail(f"smoke check {step.name!r} of {recipe.text}")
            outcome = run_step(inside, step, Streams(log, None, None), say=progress.note)
            found.append(_result(step.name, outcome, log))
    return tuple(found)


def need_smoke(recipe: Recipe, checks: Sequence[Smoke]) -> None:
    """Raises SmokeFailed with the logs where one of `checks` has failed."""
    failed = [check for check in checks if not check.passed]
    if failed:
        lines = []
        for check in failed:
            lines += [f"{check.verdict}; the end of its log:", *(f"  {line}" for line in check.log)]
        raise SmokeFailed(f"{recipe.text} fails its smoke checks", "\n".join(lines))


def _step(name: str, script: str, pin: ImageRef) -> Step:
    """A smoke check as a task, with nothing that a project could have set."""
    task = Task(
        name=name,
        description="",
        toolchain="",
        run=script,
        argv=None,
        env={},
        pass_env=(),
        workdir=".",
        network="none",
        mounts=(),
        timeout=TIMEOUT,
        memory=None,
        cpus=None,
        pids=DEFAULT_PIDS,
        user="caller",
        rootfs="read-only",
    )
    return Step(name, task, Toolchain("", pin), (*DEFAULT_SHELL, script, name))


class _Log:
    """The end of what a check writes, on both of its streams."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """See buildbox.execute.Output."""
        for view in views:
            self._data += view
        del self._data[:-_KEPT]

    def tail(self) -> tuple[str, ...]:
        """Its last lines."""
        lines = self._data.decode(errors="replace").splitlines()[-TAIL:]
        return tuple(printable(line.expandtabs()) for line in lines)


def _result(name: str, outcome: Outcome, log: _Log) -> Smoke:
    if outcome.status in _STOPS and not outcome.timed_out:
        raise SmokeStopped(name, outcome.status)
    return Smoke(name, outcome.status, outcome.seconds, outcome.timed_out, log.tail())
