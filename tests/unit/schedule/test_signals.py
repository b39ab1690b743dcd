"""Signals that come to buildbox while a plan runs: here they come from a job's thread."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from buildbox.errors import EngineError
from buildbox.execute import Outcome
from buildbox.schedule.graph import Interrupted, run_plan
from buildbox.schedule.report import State, Summary
from buildbox.tasks.plan import Plan
from tests.support.jobs import PATIENCE, Acts, Noted, Watching, failing, plan, states, step, waiting_for


def go(plan: Plan, noted: Noted, *, limit: int = 4, display: Watching | None = None) -> Summary:
    return run_plan(plan, noted, limit=limit, keep_going=False, display=display or Watching())


def send(number: int) -> None:
    os.kill(os.getpid(), number)


class Told:
    """A command that goes on until it was told often enough; its Acts."""

    def __init__(self, *kills: int, status: int = 0, begin: Callable[[], None] = lambda: None) -> None:
        self._kills = list(kills)
        self._done = threading.Event()
        self._status = status
        self._begin = begin
        self.told: list[int] = []
        self.acts = Acts(run=self._run, signal=self._signal)

    def _run(self, attempt: int) -> Outcome:
        self._begin()
        assert self._done.wait(PATIENCE)
        stopping = [number for number in self.told if number not in (signal.SIGUSR1, signal.SIGUSR2)]
        return Outcome(self._status, 0.1, signal=stopping[0] if stopping else 0)

    def _signal(self, number: int) -> None:
        self.told.append(number)
        if self.told == self._kills:
            self._done.set()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_the_first_goes_to_all_that_runs_and_nothing_else_starts(number: int, status: int) -> None:
    together = threading.Barrier(2, action=lambda: send(number))

    def meet() -> None:
        together.wait(PATIENCE)

    a, b = Told(number, status=3, begin=meet), Told(number, begin=meet)
    noted, display = Noted({"a": a.acts, "b": b.acts}), Watching()
    given = plan(step("a", retries=3), step("b"), step("c"), step("d", "a"))
    summary = go(given, noted, limit=2, display=display)
    assert summary.status == status
    assert (a.told, b.told) == ([number], [number])
    assert states(summary.reports) == {"a": "stopped", "b": "stopped", "c": "not run", "d": "not run"}
    name = signal.Signals(number).name
    assert {report.why for report in summary.reports if report.state is State.NOT_RUN} == {
        f"not started: {name} stopped the run"
    }
    assert noted.of("run") == ["run a", "run b"] or noted.of("run") == ["run b", "run a"]
    assert any("Ctrl-C again" in text for text in display.said) == (number == signal.SIGINT)


def test_the_second_goes_to_all_that_runs_too() -> None:
    def twice() -> None:
        send(signal.SIGTERM)
        while not a.told:
            time.sleep(0.001)
        send(signal.SIGTERM)

    a = Told(signal.SIGTERM, signal.SIGTERM, status=143, begin=twice)
    assert go(plan(step("a")), Noted({"a": a.acts})).status == 143
    assert a.told == [signal.SIGTERM, signal.SIGTERM]


def test_the_third_ends_it_though_something_hangs() -> None:
    free = threading.Event()

    def hang(attempt: int) -> Outcome:
        for count in range(3):
            send(signal.SIGINT)
            while len(noted.of("signal-2")) < min(count + 1, 2):
                time.sleep(0.001)
        assert free.wait(PATIENCE)
        return Outcome(0, 0.0)

    noted = Noted({"a": Acts(run=hang)})
    with pytest.raises(Interrupted) as caught:
        go(plan(step("a")), noted)
    free.set()
    assert caught.value.status == 130


def test_what_stops_nothing_is_passed_on() -> None:
    def begin() -> None:
        send(signal.SIGUSR1)
        while not a.told:
            time.sleep(0.001)
        send(signal.SIGUSR2)

    a = Told(signal.SIGUSR1, signal.SIGUSR2, begin=begin)
    summary = go(plan(step("a"), step("b", "a")), Noted({"a": a.acts}))
    assert (summary.status, states(summary.reports)) == (0, {"a": "passed", "b": "passed"})


def test_a_step_that_was_parked_is_discarded() -> None:
    parked = threading.Event()

    def begin() -> None:
        assert parked.wait(PATIENCE)
        send(signal.SIGTERM)

    a = Told(signal.SIGTERM, begin=begin)
    noted = Noted({"a": a.acts, "b": Acts(park=lambda attempt: parked.set())})
    summary = go(plan(step("a"), step("b")), noted, limit=1)
    assert summary.status == 143
    assert sorted(noted.of("discard")) == ["discard a", "discard b"]
    assert "run b" not in noted.happened


def test_a_pause_ends_at_once() -> None:
    class Pausing(Watching):
        def retrying(self, *args: object) -> None:
            send(signal.SIGINT)

    begun = time.monotonic()
    summary = go(plan(step("a", retries=5)), Noted({"a": Acts(run=failing(4))}), display=Pausing())
    assert time.monotonic() - begun < 0.9
    assert (summary.status, states(summary.reports)) == (130, {"a": "failed"})


def test_what_was_told_to_end_soon_is_not_a_failure() -> None:
    told = threading.Event()

    def park(attempt: int) -> None:
        send(signal.SIGINT)
        assert told.wait(PATIENCE)
        raise EngineError("the service was stopped")

    noted = Noted({"a": Acts(park=park, signal=lambda number: told.set())})
    summary = go(plan(step("a")), noted)
    assert (summary.status, states(summary.reports)) == (130, {"a": "not run"})


@pytest.mark.parametrize("phase", ["prepare", "park"])
def test_a_preparation_that_goes_on_is_not_waited_for(phase: str) -> None:
    free = threading.Event()

    def act(*args: object) -> None:
        send(signal.SIGTERM)
        free.wait(PATIENCE)

    noted = Noted({"a": Acts(**{phase: act})})  # type: ignore[arg-type]
    with pytest.raises(Interrupted) as caught:
        run_plan(plan(step("a")), noted, limit=2, keep_going=False, display=Watching(), patience=0.1)
    free.set()
    assert caught.value.status == 143


def test_one_that_comes_when_all_has_passed_changes_nothing() -> None:
    def discard() -> None:
        send(signal.SIGTERM)

    assert go(plan(step("a")), Noted({"a": Acts(discard=discard)})).status == 0


def test_one_that_comes_after_a_failure_changes_nothing() -> None:
    noted = Noted({"a": Acts(run=failing(4), discard=lambda: send(signal.SIGTERM))})
    assert go(plan(step("a"), step("b", "a"), step("c")), noted, limit=1).status == 4


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    go(plan(step("a")), Noted())
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]


def test_what_the_caller_ignores_stays_ignored() -> None:
    """As under nohup(1)."""
    done = threading.Event()

    def run(attempt: int) -> Outcome:
        send(signal.SIGHUP)
        done.set()
        return Outcome(0, 0.0)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        noted = Noted({"a": Acts(run=run), "b": Acts(run=waiting_for(done))})
        assert go(plan(step("a"), step("b", "a")), noted).status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_threads_of_jobs_are_sent_no_signals() -> None:
    masks: list[set[int]] = []

    def run(attempt: int) -> Outcome:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        return Outcome(0, 0.0)

    go(plan(step("a")), Noted({"a": Acts(run=run)}))
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT} <= masks[0]
