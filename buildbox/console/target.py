"""A display for a run with one target, whose stdout and stderr are the caller's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildbox.console.displays import Kept
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs, Tee
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step


class Targeted:
    """`display` for all steps but `target`: its output goes to `output` as it is, and to its log.

    When the target begins, or writes what it wrote before, nothing is drawn any more.
    """

    def __init__(self, display: Kept, target: str, output: Output, logs: Logs) -> None:
        self._display, self._target, self._output, self._logs = display, target, output, logs
        self._steps = 0

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._steps = len(plan.steps)
        self._display.plan(plan)

    def started(self, step: Step, attempt: int) -> None:
        if step.name == self._target:
            self._display.close()
        if step.name != self._target or attempt > 1:
            self._display.started(step, attempt)

    def output(self, step: Step) -> Output:
        if step.name == self._target:
            return _Cleared(Tee(self._logs.log(step.name), self._output), self._display.close)
        return self._display.output(step)

    def note(self, step: Step | None, text: str) -> None:
        self._display.note(step, text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self._display.retrying(step, outcome, pause)

    def ended(self, step: Step, report: Report) -> None:
        if step.name != self._target or self._steps > 1 or report.state is not State.PASSED:
            self._display.ended(step, report)

    def finished(self, summary: Summary) -> None:
        self._display.finished(summary)


class _Cleared:
    """`output`, once the terminal is cleared."""

    def __init__(self, output: Output, clear: Callable[[], None]) -> None:
        self._output = output
        self._clear: Callable[[], None] | None = clear

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Raises OSError as `output` does."""
        if self._clear:
            self._clear()
            self._clear = None
        self._output.write(stream, views)
