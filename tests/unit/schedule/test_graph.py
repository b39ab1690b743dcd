"""The scheduler's rules, with jobs that run nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.errors import ArchiveError, EngineError
from buildbox.execute import Outcome
from buildbox.schedule.graph import run_plan
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step
from tests.support.jobs import (
    PATIENCE,
    Acts,
    Noted,
    Watching,
    failing,
    plan,
    raising,
    states,
    step,
    waiting_for,
)


def go(
    plan: Plan,
    acts: dict[str, Acts] | None = None,
    *,
    limit: int = 4,
    keep_going: bool = False,
    noted: Noted | None = None,
    display: Watching | None = None,
) -> Summary:
    return run_plan(
        plan,
        noted or Noted(acts or {}),
        limit=limit,
        keep_going=keep_going,
        display=display or Watching(),
    )


def cached(name: str) -> Callable[[], Report]:
    return lambda: Report(name, State.CACHED)


def raises(error: Exception) -> Any:
    return raising(error)


# order


def test_a_plan_without_steps() -> None:
    display = Watching()
    assert go(plan(), display=display).status == 0
    assert display.said == ["plan", "finished"]


def test_a_step_waits_until_the_outputs_of_its_needs_are_taken() -> None:
    noted = Noted()
    summary = go(plan(step("a"), step("b", "a")), noted=noted)
    assert summary.status == 0
    order = [text for text in noted.happened if not text.startswith("discard")]
    assert order == [
        *("prepare a", "park a", "run a", "ran a", "finish a"),
        *("prepare b", "park b", "run b", "ran b", "finish b"),
    ]
    assert sorted(noted.of("discard")) == ["discard a", "discard b"]


def test_one_at_a_time_is_the_plans_order() -> None:
    noted = Noted()
    names = [f"s{n}" for n in range(12)]
    go(plan(*map(step, names)), noted=noted, limit=1)
    assert noted.of("run") == [f"run {name}" for name in names]
    assert noted.most == 1


def test_steps_that_are_ready_run_at_once() -> None:
    together = threading.Barrier(3)

    def run(attempt: int) -> Outcome:
        together.wait(PATIENCE)
        return Outcome(0, 0.0)

    acts = {name: Acts(run=run) for name in "abc"}
    assert go(plan(*map(step, "abc")), acts, limit=3).status == 0


def test_a_cached_step_is_done_when_it_is_prepared() -> None:
    noted, display = Noted({"a": Acts(prepare=cached("a"))}), Watching()
    summary = go(plan(step("a"), step("b", "a")), noted=noted, display=display)
    assert states(summary.reports) == {"a": "cached", "b": "passed"}
    assert noted.of("run", "finish", "park") == ["park b", "run b", "finish b"]
    assert display.said == [
        *("plan", "ended a cached", "started b 1", "ended b passed", "finished"),
    ]


def test_the_next_one_is_parked_while_the_slots_are_taken() -> None:
    parked = threading.Event()
    acts = {"a": Acts(run=waiting_for(parked)), "b": Acts(park=lambda attempt: parked.set())}
    noted = Noted(acts)
    assert go(plan(step("a"), step("b")), noted=noted, limit=1).status == 0
    assert noted.of("park", "ran") == ["park a", "park b", "ran a", "ran b"]


def test_a_slot_is_free_while_outputs_are_taken() -> None:
    ran = threading.Event()

    def finish(outcome: Outcome) -> None:
        assert ran.wait(PATIENCE)

    def run(attempt: int) -> Outcome:
        ran.set()
        return Outcome(0, 0.0)

    acts = {"a": Acts(finish=finish), "b": Acts(run=run)}
    assert go(plan(step("a"), step("b")), acts, limit=1).status == 0


def test_five_hundred_steps_that_are_ready_at_once() -> None:
    most = 0

    def run(attempt: int) -> Outcome:
        nonlocal most
        most = max(most, threading.active_count())
        return Outcome(0, 0.0)

    before = threading.active_count()
    steps = [step(f"s{n}") for n in range(500)]
    acts = {item.name: Acts(run=run) for item in steps}
    summary = go(plan(*steps), acts, limit=4)
    assert (summary.status, len(summary.reports)) == (0, 500)
    assert most - before <= 30


def test_a_chain_of_five_hundred() -> None:
    steps = [step("s0"), *(step(f"s{n}", f"s{n - 1}") for n in range(1, 500))]
    acts = {"s0": Acts(run=failing(3))}
    summary = go(plan(*steps), acts)
    assert {report.why for report in summary.reports[1:]} == {"needs s0, which failed"}
    assert len(summary.reports) == 500


def test_a_plan_that_lacks_a_step_is_a_bug_and_not_a_wait() -> None:
    with pytest.raises((RuntimeError, KeyError)):
        go(plan(step("a", "b"), step("b", "a")))


# failures


def test_a_failure_stops_what_has_not_started() -> None:
    goes_on = threading.Event()

    def run_b(attempt: int) -> Outcome:
        assert goes_on.wait(PATIENCE)
        return Outcome(0, 0.0)

    class Opening(Watching):
        def ended(self, step: Step, report: Report) -> None:
            super().ended(step, report)
            if step.name == "f":
                goes_on.set()

    steps = (step("a"), step("b"), step("c", "a"), step("d", "c"), step("e", "b"), step("f"))
    noted = Noted({"a": Acts(run=failing(7)), "b": Acts(run=run_b)})
    summary = go(plan(*steps), noted=noted, limit=2, display=Opening())
    assert summary.status == 7
    assert {report.step: (report.state.value, report.why) for report in summary.reports} == {
        "a": ("failed", ""),
        "b": ("passed", ""),  # it was running
        "c": ("not run", "needs a, which failed"),
        "d": ("not run", "needs a, which failed"),
        "e": ("not run", "not started after a failed"),
        "f": ("not run", "not started after a failed"),
    }
    assert sorted(noted.of("run")) == ["run a", "run b"]


def test_a_failure_frees_its_slot_for_nobody() -> None:
    for _ in range(20):
        noted = Noted({"a": Acts(run=failing(1))})
        go(plan(*map(step, "abc")), noted=noted, limit=1)
        assert noted.of("run") == ["run a"]


def test_keep_going_runs_what_does_not_need_it() -> None:
    steps = (step("a"), step("b"), step("c", "a"), step("d", "b"), step("e", "c", "d"))
    acts = {"a": Acts(run=failing(7)), "b": Acts(run=failing(0))}
    summary = go(plan(*steps), acts, limit=1, keep_going=True)
    assert summary.status == 7
    assert states(summary.reports) == {
        "a": "failed",
        "b": "passed",
        "c": "not run",
        "d": "passed",
        "e": "not run",
    }


def test_the_first_failure_in_time_is_the_status() -> None:
    second = threading.Event()

    def run_b(attempt: int) -> Outcome:
        second.set()
        return Outcome(4, 0.0)

    class Opening(Watching):
        def ended(self, step: Step, report: Report) -> None:
            super().ended(step, report)
            later.set()

    later = threading.Event()
    acts = {"a": Acts(run=waiting_for(later, 3)), "b": Acts(run=run_b)}
    display = Opening()
    assert go(plan(step("a"), step("b")), acts, display=display, keep_going=True).status == 4


@pytest.mark.parametrize("phase", ["prepare", "park", "run", "finish"])
def test_an_expected_error_is_the_steps_failure(phase: str) -> None:
    error = ArchiveError("the disk is full", "Free some space.")
    noted = Noted({"a": Acts(**{phase: raises(error)})})
    summary = go(plan(step("a", retries=3), step("b", "a")), noted=noted)
    (report, other) = summary.reports
    assert (report.state, report.error, report.why) == (State.FAILED, error, "the disk is full")
    assert (report.status, summary.status) == (123, 123)
    assert other.why == "needs a, which failed"
    assert noted.of("discard") == ["discard a"]


def test_what_cannot_be_removed_is_told_in_the_end() -> None:
    error = EngineError("it went away")
    summary = go(plan(step("a")), {"a": Acts(discard=raises(error))})
    assert (summary.status, summary.unclean) == (0, error)


@pytest.mark.parametrize("phase", ["prepare", "park", "run", "finish"])
def test_a_bug_kills_what_runs_and_is_raised(phase: str) -> None:
    killed, running = threading.Event(), threading.Event()

    def run(attempt: int) -> Outcome:
        running.set()
        assert killed.wait(PATIENCE)
        return Outcome(137, 0.0)

    def bug(*args: object) -> None:
        assert running.wait(PATIENCE)
        raise ValueError("a bug")

    noted = Noted(
        {
            "a": Acts(run=run, signal=lambda number: killed.set() if number == 9 else None),
            "b": Acts(**{phase: bug}),  # type: ignore[arg-type]
        }
    )
    with pytest.raises(ValueError, match="a bug"):
        go(plan(step("a"), step("b"), step("c", "b")), noted=noted)
    assert "run c" not in noted.happened
    assert sorted(noted.of("discard")) == ["discard a", "discard b"]


class Breaking(Watching):
    """A Display with a bug."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self._method = method

    def started(self, step: Step, attempt: int) -> None:
        assert self._method != "started", "a bug"

    def ended(self, step: Step, report: Report) -> None:
        assert self._method != "ended", "a bug"


@pytest.mark.parametrize("method", ["started", "ended"])
def test_a_display_with_a_bug_hangs_nothing(method: str) -> None:
    noted = Noted()
    with pytest.raises(AssertionError, match="a bug"):
        go(plan(step("a"), step("b", "a")), noted=noted, display=Breaking(method))
    assert noted.of("discard") == ["discard a"]


# retries


def test_a_step_is_tried_again() -> None:
    display = Watching()
    noted = Noted({"a": Acts(run=failing(5, times=1))})
    summary = go(plan(step("a", retries=2), step("b", "a")), noted=noted, display=display)
    assert summary.status == 0
    assert summary.reports[0].attempts == 2
    assert noted.of("finish", "discard")[0] == "finish a"
    assert noted.of("park", "run")[:4] == ["park a", "run a", "park a", "run a"]
    assert display.said[:5] == [
        *("plan", "started a 1", "retrying a 5 1.0", "started a 2", "ended a passed"),
    ]


def test_the_last_attempt_counts() -> None:
    summary = go(plan(step("a", retries=1)), {"a": Acts(run=failing(5))})
    assert (summary.status, summary.reports[0].attempts, summary.reports[0].status) == (5, 2, 5)


def test_a_pause_leaves_the_slot_to_others() -> None:
    display = Watching()
    acts = {"a": Acts(run=failing(5, times=1))}
    go(plan(step("a", retries=1), step("b")), acts, limit=1, display=display)
    said = display.said
    assert said.index("ended b passed") < said.index("started a 2")


def test_no_attempt_after_another_step_failed() -> None:
    """The pause ends at once, and the attempt that failed is the last."""
    paused = threading.Event()

    class Pausing(Watching):
        def retrying(self, *args: Any) -> None:
            super().retrying(*args)
            paused.set()

    acts = {"a": Acts(run=failing(5)), "b": Acts(run=waiting_for(paused, 6))}
    begun = time.monotonic()
    summary = go(plan(step("a", retries=9), step("b")), acts, display=Pausing())
    assert time.monotonic() - begun < 1
    assert summary.status == 6
    assert states(summary.reports) == {"a": "failed", "b": "failed"}
    assert {report.step: report.attempts for report in summary.reports} == {"a": 1, "b": 1}


# all of it


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Plan, dict[str, str]]:
    """A plan, and what becomes of its steps when they run: pass, fail, error, cached."""
    count = draw(st.integers(1, 12))
    steps = []
    for n in range(count):
        needs = draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set()
        steps.append(step(f"s{n}", *(f"s{need}" for need in sorted(needs))))
    fates = draw(
        st.lists(
            st.sampled_from(["pass", "pass", "pass", "cached", "fail", "error", "unfinished"]),
            min_size=count,
            max_size=count,
        )
    )
    return plan(*steps), {item.name: fate for item, fate in zip(steps, fates, strict=True)}


def act(name: str, fate: str) -> Acts:
    if fate == "cached":
        return Acts(prepare=cached(name))
    if fate == "fail":
        return Acts(run=failing(3))
    if fate == "error":
        return Acts(park=raises(EngineError("no")))
    return Acts(finish=raises(ArchiveError("no"))) if fate == "unfinished" else Acts()


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(1, 5), st.booleans())
def test_any_graph(given: tuple[Plan, dict[str, str]], limit: int, keep_going: bool) -> None:
    plan, fates = given
    display = Watching()
    noted = Noted({name: act(name, fate) for name, fate in fates.items()})
    summary = go(plan, noted=noted, display=display, limit=limit, keep_going=keep_going)

    ended = [report.step for report in summary.reports]
    assert sorted(ended) == sorted(plan.steps)  # each exactly once
    assert [report.step for report in display.reports] == ended
    assert noted.most <= limit
    found = states(summary.reports)
    for name, item in plan.steps.items():
        good = all(found[need] in ("passed", "cached") for need in item.needs)
        if f"prepare {name}" in noted.happened:
            assert good
            prepared = noted.happened.index(f"prepare {name}")
            assert all(
                noted.happened.index(f"finish {need}") < prepared
                for need in item.needs
                if found[need] == "passed"
            )
            assert noted.happened.count(f"discard {name}") == 1
        if found[name] != "not run":
            expected = {"pass": "passed", "cached": "cached"}.get(fates[name], "failed")
            assert found[name] == expected
        elif keep_going:
            assert not good
    bad = [report for report in summary.reports if report.state is State.FAILED]
    assert (summary.status == 0) == (not bad)
    assert summary.status in {report.status for report in bad} | {0}
    if not keep_going and not bad:
        assert "not run" not in found.values()
