"""A run as plain lines, for pipes and CI systems: `name | output`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from buildbox.console import words
from buildbox.console.lines import Lines
from buildbox.console.messages import Console
from buildbox.console.telling import SHOWN, annotate, say_ended, say_summary
from buildbox.console.writing import write_all
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs
from buildbox.schedule.report import Report, Summary
from buildbox.tasks.plan import Plan, Step


class PlainDisplay:
    """Prefixed lines: the steps' stdout on the descriptor `out`, their stderr on `err`."""

    def __init__(self, console: Console, logs: Logs, *, out: int = 1, err: int = 2) -> None:
        self._console = console
        self._logs = logs
        self._descriptors = {1: out, 2: err}
        self._lock = threading.Lock()
        self._outputs: dict[str, _Prefixed] = {}
        self._alone = False  # the run has one step

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._alone = len(plan.steps) == 1

    def started(self, step: Step, attempt: int) -> None:
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._console.say(f"{step.name} …{again}")

    def output(self, step: Step) -> Output:
        with self._lock:
            return self._outputs.setdefault(step.name, _Prefixed(step.name, self._write))

    def note(self, step: Step | None, text: str) -> None:
        self._console.say(f"{step.name}: {text}" if step else text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self._flush(step)
        self._console.say(f"{step.name} {words.retry(step, outcome, pause)}")

    def ended(self, step: Step, report: Report) -> None:
        self._flush(step)
        say_ended(self._console, step, report, alone=self._alone)
        annotate(self._console, step, report, self._logs)

    def finished(self, summary: Summary) -> None:
        say_summary(self._console, summary, self._logs)

    def show(self, step: Step, name: str) -> None:
        """The end of the log `name` of what ran beside `step`, as lines with that name."""
        output = _Prefixed(name, lambda stream, lines: self._write(2, lines))
        try:
            for data in self._logs.read(name, SHOWN):
                output.write(2, [memoryview(data)])
        except OSError:
            pass  # it can't be read, or nobody reads it
        output.flush()

    def close(self) -> None:
        """Lines that haven't ended are given out; called however the run ends."""
        for name in tuple(self._outputs):
            self._outputs[name].flush()

    def _flush(self, step: Step) -> None:
        output = self._outputs.pop(step.name, None)
        if output:
            output.flush()

    def _write(self, stream: int, lines: bytes) -> None:
        with self._lock:
            write_all(self._descriptors[stream], [memoryview(lines)])


class _Prefixed:
    """The output of one step."""

    def __init__(self, name: str, give: Callable[[int, bytes], None]) -> None:
        prefix = f"{name} | ".encode(errors="surrogateescape")
        self._lines = {stream: Lines(prefix, partial(give, stream)) for stream in (1, 2)}

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self._lines[stream].write(views)

    def flush(self) -> None:
        """Nobody may be there to read it."""
        for lines in self._lines.values():
            try:
                lines.flush()
            except OSError:
                pass
