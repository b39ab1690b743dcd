"""What the scheduler asks of whoever knows how to run a step."""

from __future__ import annotations

from typing import Protocol

from buildbox.execute import Outcome
from buildbox.schedule.report import Report


class Job(Protocol):
    """One step of a run, from what it may be spared to what is left of it.

    Its methods are called one after the other, in threads without signals (but `signal`): `prepare` once;
    then, for each attempt, `park` and `run`; then `finish` once, for the last attempt that ran; `discard`
    once, last, whatever happened before. A BuildboxError is the step's failure; nothing is tried again then.
    """

    def prepare(self) -> Report | None:
        """What is known before anything runs; a Report (CACHED) where nothing need run. Outside of a slot."""

    def park(self, attempt: int) -> None:
        """Whatever can be done before the command itself starts: trees, services, a container at its gate.

        Ahead of a slot where all are taken. What an attempt before this one left is removed here.
        """

    def run(self, attempt: int) -> Outcome:
        """The command, from its start to its end. In a slot, right after `park` or a while later."""

    def finish(self, outcome: Outcome) -> Report:
        """What the last attempt comes to, its outputs taken where it passed. Outside of a slot.

        Where `outcome.signal` is set, the step was stopped, whatever its status: nothing of it counts.
        """

    def signal(self, number: int) -> None:
        """A signal came to buildbox. From any thread, at any time before `finish`; must not block.

        The first of its kind goes to the command, the second kills it, SIGKILL kills at once; whatever else
        is under way should end soon.
        """

    def discard(self) -> None:
        """Removes what is left of it in the engine and on the disk. In the background: nobody waits for it
        but the end of the run."""
