"""What became of a run, gathered while it happens, for files that are written at its end, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from buildbox.errors import BuildboxError
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs
from buildbox.schedule.report import Display, Report, State, Summary
from buildbox.tasks.plan import Plan, Step

KEPT = 1 << 16  # bytes of the end of the log of a step that didn't pass


@dataclass(frozen=True)
class Ran:
    """A step, and what became of it."""

    step: Step
    report: Report
    log: bytes = b""  # the end of what it wrote, where it didn't pass


@dataclass(frozen=True)
class Story:
    """A whole run."""

    project: str
    begun: float  # seconds since the epoch
    seconds: float  # that it took
    status: int  # its exit status
    steps: Sequence[Ran]  # in the plan's order; one for each of its steps
    error: BuildboxError | None = None  # that ended it, beside those of its steps


class Record:
    """Listens to a run between its display and those who tell of it; from any thread."""

    def __init__(self, project: str, plan: Plan, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        self._project, self._plan, self._clock = project, plan, clock
        self._begun = clock()
        self._ended: dict[str, Ran] = {}
        self._attempts: dict[str, tuple[int, float]] = {}  # the last one of each step, and when it began

    @contextmanager
    def over(self, display: Display, logs: Logs) -> Iterator[Display]:
        """`display`, and we hear what it is told. At the end of the context, while the logs are still there,
        what was under way counts as stopped."""
        try:
            yield _Heard(display, self, logs)
        finally:
            for name in self._attempts.keys() - self._ended.keys():
                attempts, begun = self._attempts[name]
                report = Report(name, State.STOPPED, self._clock() - begun, attempts)
                self.ended(self._plan.steps[name], report, logs)

    def started(self, step: Step, attempt: int) -> None:
        """An attempt begins."""
        self._attempts[step.name] = attempt, self._clock()

    def ended(self, step: Step, report: Report, logs: Logs) -> None:
        """The step's last word."""
        log = b""
        if report.state in (State.FAILED, State.STOPPED):
            logs.log(step.name).close()
            with suppress(OSError):  # how it ended can be told all the same
                log = b"".join(logs.read(step.name, KEPT))
        self._ended[step.name] = Ran(step, report, log)

    def story(self, status: int, error: BuildboxError | None = None) -> Story:
        """All of it, once it is over: how buildbox ends, and what else is the reason.

        An error while the run's one target had the caller's own streams is that target's.
        """
        steps = [self._ended.get(name) or self._unheard(step) for name, step in self._plan.steps.items()]
        stopped = [at for at, ran in enumerate(steps) if ran.report.state is State.STOPPED]
        if error and len(stopped) == 1:
            ran = steps[stopped[0]]
            report = replace(ran.report, state=State.FAILED, why=error.reason, error=error)
            steps[stopped[0]] = replace(ran, report=report)
            error = None
        seconds = self._clock() - self._begun
        return Story(self._project, self._begun, seconds, status, steps, error)

    def _unheard(self, step: Step) -> Ran:
        return Ran(step, Report(step.name, State.NOT_RUN))


class _Heard:
    """A Display that a Record listens to."""

    def __init__(self, display: Display, record: Record, logs: Logs) -> None:
        self._display, self._record, self._logs = display, record, logs

    def plan(self, plan: Plan) -> None:
        self._display.plan(plan)

    def started(self, step: Step, attempt: int) -> None:
        self._record.started(step, attempt)
        self._display.started(step, attempt)

    def output(self, step: Step) -> Output:
        return self._display.output(step)

    def note(self, step: Step | None, text: str) -> None:
        self._display.note(step, text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self._display.retrying(step, outcome, pause)

    def ended(self, step: Step, report: Report) -> None:
        self._display.ended(step, report)
        self._record.ended(step, report, self._logs)

    def finished(self, summary: Summary) -> None:
        self._display.finished(summary)
