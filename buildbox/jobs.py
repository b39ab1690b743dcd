"""Steps of a graph as the scheduler wants them: what is common to mounted and hermetic ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

from buildbox.config.model import Service
from buildbox.errors import UsageError
from buildbox.execute import Outcome, Output, Streams
from buildbox.execute.life import Execution
from buildbox.ground import Ground, made_of
from buildbox.logs import Tee
from buildbox.masking import Masked
from buildbox.schedule.report import Report, State
from buildbox.surroundings import Ears, Seats, View, mounted_view, surrounded
from buildbox.tasks.plan import Step
from buildbox.workplace import Workplace


class Way(Protocol):
    """How a step sees the project, and what becomes of what it made there."""

    def prepare(self) -> Report | None:
        """As Job.prepare."""

    def view(self, attempt: int) -> View:
        """What the attempt sees of the project, made now."""

    @property
    def epoch(self) -> int:
        """What it takes for the time of its sources, in seconds. Known once it is prepared."""

    def keeper(self) -> Output | None:
        """Who else keeps the output of the next attempt."""

    def finish(self, outcome: Outcome) -> None:
        """Takes what a step has made that passed. Raises BuildboxError: then it failed after all."""

    def discard(self) -> None:
        """Removes what is left of it on the disk."""


class ContainerJob:
    """One step that runs in a container; a buildbox.schedule.job.Job."""

    def __init__(self, place: Workplace, step: Step, way: Way) -> None:
        self._place, self._step, self._way = place, step, way
        self._stack = ExitStack()
        self._masked: Masked | None = None
        self._lock = threading.Lock()  # of the two below
        self._execution: Execution | None = None
        self._signals: list[int] = []

    def prepare(self) -> Report | None:
        return self._way.prepare()

    def park(self, attempt: int) -> None:
        self._clear()
        session, step = self._place.ground.session, self._step
        image, image_id = session.image(step.toolchain.image, step.toolchain.platform)
        view = self._way.view(attempt)
        ears = Ears(self._say, self._service_log, lambda: bool(self._signals))
        spec = self._stack.enter_context(
            surrounded(session, step, view, image, image_id, self._way.epoch, Seats(), ears)
        )
        self._masked = self._output()
        execution = Execution(session.engine, spec, Streams(self._masked, None, None), say=self._say)
        with self._lock:
            self._execution = execution
            for number in self._signals:
                execution.signal(number)
        execution.park(step.toolchain.shell)

    def run(self, attempt: int) -> Outcome:
        assert self._execution and self._masked
        outcome = self._execution.run(self._step.task.timeout)
        self._masked.flush()
        return outcome

    def finish(self, outcome: Outcome) -> Report:
        self._clear()
        if outcome.status == 0 and not outcome.signal:
            self._way.finish(outcome)
        state = State.FAILED if outcome.status else State.PASSED
        return Report(self._step.name, state, outcome.seconds, outcome=outcome)

    def signal(self, number: int) -> None:
        with self._lock:  # once to each execution: a second one of its kind would kill
            self._signals.append(number)
            execution = self._execution
            if execution:
                execution.signal(number)

    def discard(self) -> None:
        try:
            self._clear()
        finally:
            self._way.discard()

    def _clear(self) -> None:
        """Lets go of the last attempt's container, and of what was around it."""
        execution, self._execution = self._execution, None
        stack, self._stack = self._stack, ExitStack()
        with stack:
            if execution:
                execution.remove()

    def _output(self) -> Masked:
        place = self._place
        sinks = (place.display.output(self._step), self._way.keeper())
        return Masked(Tee(*filter(None, sinks)), place.ground.session.secrets.values())

    def _service_log(self, service: Service) -> Output:
        return self._place.service_log(self._step, service)

    def _say(self, text: str) -> None:
        self._place.display.note(self._step, text)


class Mounted:
    """A step that works in the project's own folder."""

    def __init__(self, place: Workplace, step: Step) -> None:
        self._ground, self._step = place.ground, step

    def prepare(self) -> Report | None:
        return None

    def view(self, attempt: int) -> View:
        return mounted_view(self._ground.session, self._step)

    @property
    def epoch(self) -> int:
        return self._ground.epoch(self._step)

    def keeper(self) -> Output | None:
        return None

    def finish(self, outcome: Outcome) -> None:
        take_in_place(self._ground, self._step)

    def discard(self) -> None:
        self._ground.changed()


def take_in_place(ground: Ground, step: Step) -> None:
    """Notes the outputs of a mounted step, where it made them. Raises UsageError where one is missing."""
    ground.changed()
    if step.task.outputs:
        from buildbox.trees.taking import look_at

        taken = look_at(ground.root, step.task.outputs)
        require_all(step, taken.missing)
        ground.made(step.name, made_of(taken.entries, None))


def require_all(step: Step, missing: Sequence[str]) -> None:
    """Raises UsageError where outputs are missing that the step says it makes."""
    if missing:
        raise UsageError(
            f"{step.name} passed, but didn't make its outputs: {', '.join(missing)}",
            "Make them, or correct the task's `outputs`; the patterns are relative to the project's folder.",
        )
