"""A run as JSON lines on stdout. `EVENTS` is their description."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildbox.console.messages import Console
from buildbox.console.telling import SHOWN
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step

EVENTS = """\
With --json, each line of stdout is one event; `event` says which:

  plan     targets; steps: each with task, toolchain, image, needs, hermetic

  start    task, image, attempt (from 1)

  output   task, stream (stdout or stderr), and text, or base64 where it isn't UTF-8

  retry    task, attempt (the one that failed), status, seconds until the next one

  note     text, and task where it is about one

  end      task, state (passed, cached, failed, stopped, not run), status, seconds, attempts, cached,
           timed_out, out_of_memory, why (null where nothing is to be said), log (a path, or null)

  summary  status, seconds, counts by state, failed and not_run (names), logs (a folder, or null)

  told     with --provenance, behind the summary: task, statement (a digest), signed, files
"""


class JsonDisplay:
    """Everything as events; nothing else is written to stdout."""

    def __init__(self, console: Console, logs: Logs) -> None:
        self._console = console
        self._logs = logs
        self._lock = threading.Lock()
        self._attempts: dict[str, int] = {}

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._tell("plan", targets=list(plan.targets), steps=[_step(step) for step in plan.steps.values()])

    def started(self, step: Step, attempt: int) -> None:
        self._attempts[step.name] = attempt
        self._tell("start", task=step.name, image=str(step.toolchain.image), attempt=attempt)

    def output(self, step: Step) -> Output:
        return _OutputEvents(step.name, self._event)

    def note(self, step: Step | None, text: str) -> None:
        if step:
            self._tell("note", task=step.name, text=text)
        else:
            self._tell("note", text=text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        attempt = self._attempts.get(step.name, 1)
        self._tell("retry", task=step.name, attempt=attempt, status=outcome.status, seconds=round(pause, 3))

    def ended(self, step: Step, report: Report) -> None:
        outcome = report.outcome
        path = self._logs.path(step.name)
        self._tell(
            "end",
            task=step.name,
            state=report.state.value,
            status=report.status,
            seconds=round(report.seconds, 3),
            attempts=report.attempts,
            cached=report.state is State.CACHED,
            timed_out=bool(outcome and outcome.timed_out),
            out_of_memory=bool(outcome and outcome.ended and outcome.ended.out_of_memory),
            why=(report.error.reason if report.error else report.why) or None,
            log=str(path) if path else None,
        )

    def finished(self, summary: Summary) -> None:
        count = Counter(report.state for report in summary.reports)
        self._tell(
            "summary",
            status=summary.status,
            seconds=round(summary.seconds, 3),
            counts={state.value: count[state] for state in State},
            failed=_names(summary, State.FAILED),
            not_run=_names(summary, State.NOT_RUN),
            logs=str(self._logs.kept) if self._logs.kept else None,
        )

    def show(self, step: Step, name: str) -> None:
        """The end of the log `name` of what ran beside `step`, as output of that name."""
        output = _OutputEvents(name, self._event)
        try:
            for data in self._logs.read(name, SHOWN):
                output.write(2, [memoryview(data)])
        except OSError:
            pass  # it can't be read, or nobody reads it

    def close(self) -> None:
        """Nothing is left to do."""

    def _tell(self, event: str, **values: Any) -> None:
        try:
            self._event({"event": event, **values})
        except OSError:
            pass  # the output of a task will find that nobody reads it

    def _event(self, value: Mapping[str, Any]) -> None:
        with self._lock:
            self._console.event(value)


class _OutputEvents:
    def __init__(self, task: str, event: Callable[[Mapping[str, Any]], None]) -> None:
        self._task = task
        self._event = event

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self._event(output_event(self._task, stream, views))


def output_event(task: str, stream: int, views: Sequence[memoryview]) -> Mapping[str, Any]:
    """Output as an event: `text` where it is UTF-8, else `base64`."""
    data = b"".join(views)
    event = {"event": "output", "task": task, "stream": "stdout" if stream == 1 else "stderr"}
    try:
        event["text"] = data.decode()
    except UnicodeDecodeError:
        event["base64"] = base64.b64encode(data).decode()
    return event


def _step(step: Step) -> Mapping[str, Any]:
    return {
        "task": step.name,
        "toolchain": step.toolchain.name,
        "image": str(step.toolchain.image),
        "needs": list(step.needs),
        "hermetic": step.task.hermetic,
    }


def _names(summary: Summary, state: State) -> list[str]:
    return [report.step for report in summary.reports if report.state is state]
