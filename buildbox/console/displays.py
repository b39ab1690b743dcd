"""Which display a run has, and that what its steps write is kept as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from buildbox.console.messages import Console
from buildbox.execute import Outcome, Output
from buildbox.host import Host
from buildbox.logs import Logs, Tee
from buildbox.schedule.report import Display, Report, State, Summary
from buildbox.tasks.plan import Plan, Step


class Closing(Display, Protocol):
    """A Display that lets go of the terminal, and shows logs."""

    def show(self, step: Step, name: str) -> None:
        """The end of the log `name` of what ran beside a step that failed."""

    def close(self) -> None:
        """Draws no more; may be called again, and messages may still follow."""


@contextmanager
def shown(console: Console, host: Host, logs: Logs, *, alone: bool) -> Iterator[Kept]:
    """The run's display, until the end of the context.

    `alone`: stdout belongs to the one target, so what it needs is told on stderr only.
    """
    display = Kept(choose(console, host, logs, alone=alone), logs)
    try:
        yield display
    finally:
        display.close()


class Kept:
    """A Display, and each step's output in its log, complete before the step's end is told."""

    def __init__(self, display: Closing, logs: Logs) -> None:
        self._display = display
        self._logs = logs

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._display.plan(plan)

    def started(self, step: Step, attempt: int) -> None:
        if attempt > 1:
            text = f"buildbox: attempt {attempt}\n".encode()
            self._logs.log(step.name).write(2, [memoryview(text)])
        self._display.started(step, attempt)

    def output(self, step: Step) -> Output:
        return Tee(self._logs.log(step.name), self._display.output(step))

    def note(self, step: Step | None, text: str) -> None:
        self._display.note(step, text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self._display.retrying(step, outcome, pause)

    def ended(self, step: Step, report: Report) -> None:
        log = self._logs.log(step.name)
        log.close()
        if log.fault:
            self._display.note(step, f"not all of its output could be kept: {log.fault.strerror}")
        self._display.ended(step, report)
        if report.state is State.FAILED:
            for name in self._logs.beside(step.name):
                self._logs.log(name).close()
                self._display.show(step, name)

    def finished(self, summary: Summary) -> None:
        self._display.finished(summary)

    def close(self) -> None:
        """Draws no more, as before a target that has the terminal for itself; messages may still follow."""
        self._display.close()


def choose(console: Console, host: Host, logs: Logs, *, alone: bool) -> Closing:
    """The display that suits the caller's terminal, pipes or CI system; see `shown`. Loads only that."""
    out = 2 if alone else 1
    if console.json:
        from buildbox.console.events import JsonDisplay

        return JsonDisplay(console, logs)
    if console.live and not console.quiet and (alone or host.stdout_tty):
        from buildbox.console.live import LiveDisplay

        return LiveDisplay(console, logs)
    if not console.live and host.has_ci_log:
        from buildbox.console.groups import GroupedDisplay, ci_marks

        marks = ci_marks(host.env)
        if marks:
            return GroupedDisplay(console, logs, marks, out=out)
    from buildbox.console.plain import PlainDisplay

    return PlainDisplay(console, logs, out=out)
