"""What became of each step, and who is told while it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from buildbox.errors import BuildboxError
from buildbox.execute import Outcome, Output
from buildbox.tasks.plan import Plan, Step


class State(Enum):
    """How a step ended."""

    PASSED = "passed"  # it ran, with status 0
    CACHED = "cached"  # it had passed before: outputs and log came from the archive
    FAILED = "failed"  # it ran, with another status; or buildbox couldn't run it
    STOPPED = "stopped"  # by a signal to buildbox
    NOT_RUN = "not run"  # something it needs failed, or the run had to end


@dataclass(frozen=True)
class Report:
    """How a step ended."""

    step: str  # its name
    state: State
    seconds: float = 0.0  # of its last attempt; of the restoring where it is cached
    attempts: int = 0
    outcome: Outcome | None = None  # of its last attempt; None: it never ran
    why: str = ""  # one line: "needs build, which failed"; what failed where the command itself didn't
    error: BuildboxError | None = None  # why buildbox couldn't run it, or take what it made; has a hint

    @property
    def status(self) -> int:
        """The exit status that the step stands for; 0 where it passed, or wasn't run."""
        if self.error:
            return int(self.error.exit)
        return self.outcome.status if self.outcome else 0


@dataclass(frozen=True)
class Summary:
    """How a plan ended."""

    reports: Sequence[Report]  # one for each step, in the order in which they ended
    seconds: float  # wall time
    status: int  # the exit status of the whole: that of the first failure; 128+n where signal n stopped it
    unclean: BuildboxError | None = None  # something that a step left couldn't be removed


class Display(Protocol):
    """Who is told. Every method may be called from any thread; none may block for long or raise.

    Of one step, in this order: started (once an attempt), writes to its output, retrying; ended once. A step
    that is cached may write, and never started; one that isn't run only ends.
    """

    def plan(self, plan: Plan) -> None:
        """What will run; called once, before all others."""

    def started(self, step: Step, attempt: int) -> None:
        """An attempt begins, counted from 1."""

    def output(self, step: Step) -> Output:
        """Where the output of the step's current attempt goes, or the log that is replayed.

        Its `write` raises OSError only where nobody can take the output any more.
        """

    def note(self, step: Step | None, text: str) -> None:
        """A message about a step, or about the run."""

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        """An attempt failed; the next one begins in `pause` seconds."""

    def ended(self, step: Step, report: Report) -> None:
        """The step's last word."""

    def finished(self, summary: Summary) -> None:
        """The run's last word; called once, after all others."""
