"""Jobs and a Display for the scheduler: what they do is given, what happens is noted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from buildbox.execute import Outcome, Output
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step
from tests.support.executing import Collected
from tests.support.values import task, toolchain

PATIENCE = 20.0  # seconds after which something surely hangs


def step(name: str, *needs: str, retries: int = 0) -> Step:
    return Step(name, task(name, retries=retries), toolchain(), ("true",), needs)


def plan(*steps: Step) -> Plan:
    return Plan({item.name: item for item in steps}, tuple(item.name for item in steps))


@dataclass
class Acts:
    """What a job does: each may raise, and may block."""

    prepare: Callable[[], Report | None] = lambda: None
    park: Callable[[int], None] = lambda attempt: None
    run: Callable[[int], Outcome] = lambda attempt: Outcome(0, 0.0)
    finish: Callable[[Outcome], None] = lambda outcome: None
    discard: Callable[[], None] = lambda: None
    signal: Callable[[int], None] = lambda number: None


@dataclass
class Noted:
    """All jobs of a run. `happened` has "run a", "ran a" and so on, in the order of time."""

    acts: Mapping[str, Acts] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    most: int = 0  # commands at once
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, step: Step) -> NotedJob:
        return NotedJob(step, self.acts.get(step.name, Acts()), self)

    def note(self, text: str) -> None:
        with self._lock:
            self.happened.append(text)
            verb, _, name = text.partition(" ")
            if verb == "run":
                self.running.add(name)
                self.most = max(self.most, len(self.running))
            elif verb == "ran":
                self.running.discard(name)

    def of(self, *verbs: str) -> list[str]:
        """What happened of these kinds."""
        return [text for text in self.happened if text.split()[0] in verbs]


class NotedJob:
    """A Job that does what its Acts say."""

    def __init__(self, step: Step, acts: Acts, noted: Noted) -> None:
        self._name = step.name
        self._acts = acts
        self._note = noted.note

    def prepare(self) -> Report | None:
        self._note(f"prepare {self._name}")
        return self._acts.prepare()

    def park(self, attempt: int) -> None:
        self._note(f"park {self._name}")
        self._acts.park(attempt)

    def run(self, attempt: int) -> Outcome:
        self._note(f"run {self._name}")
        try:
            return self._acts.run(attempt)
        finally:
            self._note(f"ran {self._name}")

    def finish(self, outcome: Outcome) -> Report:
        self._note(f"finish {self._name}")
        self._acts.finish(outcome)
        state = State.FAILED if outcome.status else State.PASSED
        return Report(self._name, state, outcome.seconds, outcome=outcome)

    def signal(self, number: int) -> None:
        self._note(f"signal-{number} {self._name}")
        self._acts.signal(number)

    def discard(self) -> None:
        self._note(f"discard {self._name}")
        self._acts.discard()


@dataclass
class Watching:
    """A Display that notes what it is told."""

    said: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    def plan(self, plan: Plan) -> None:
        self.said.append("plan")

    def started(self, step: Step, attempt: int) -> None:
        self.said.append(f"started {step.name} {attempt}")

    def output(self, step: Step) -> Output:
        return Collected()

    def note(self, step: Step | None, text: str) -> None:
        self.said.append(f"note {text}")

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self.said.append(f"retrying {step.name} {outcome.status} {pause}")

    def ended(self, step: Step, report: Report) -> None:
        self.said.append(f"ended {step.name} {report.state.value}")
        self.reports.append(report)

    def finished(self, summary: Summary) -> None:
        self.said.append("finished")
        self.summaries.append(summary)


def failing(status: int, times: int = 1000) -> Callable[[int], Outcome]:
    """A command that fails `times` times."""
    return lambda attempt: Outcome(status if attempt <= times else 0, 0.0)


def waiting_for(event: threading.Event, status: int = 0) -> Callable[[int], Outcome]:
    """A command that goes on until `event`."""

    def run(attempt: int) -> Outcome:
        assert event.wait(PATIENCE)
        return Outcome(status, 0.0)

    return run


def raising(error: Exception) -> Callable[..., None]:
    def act(*args: object) -> None:
        raise error

    return act


def states(reports: Sequence[Report]) -> dict[str, str]:
    return {report.step: report.state.value for report in reports}
