from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from buildbox.console.displays import Kept
from buildbox.console.plain import PlainDisplay
from buildbox.console.record import KEPT, Record
from buildbox.errors import EngineError
from buildbox.schedule.report import State
from tests.support.told import QUIET, failed, logs, not_run, passed, plan, step, summary, write

PLAN = plan(step("a"), step("b"), step("c", needs=("b",)))


def test_it_tells_of_all_steps_in_the_order_of_the_plan(tmp_path: Path) -> None:
    ticks = count(1000)
    record, kept = Record("shop", PLAN, lambda: float(next(ticks))), logs(tmp_path)
    with record.over(Kept(PlainDisplay(QUIET, kept), kept), kept) as display:
        display.plan(PLAN)
        for name in ("b", "a"):
            display.started(step(name), 1)
        write(display.output(step("b")), (1, b"x" * KEPT), (2, b"the end"))
        write(display.output(step("a")), (1, b"fine"))
        display.ended(step("b"), failed("b"))
        display.ended(step("a"), passed("a"))
        display.ended(step("c"), not_run("c", "needs b, which failed"))
        display.finished(summary(failed("b")))
    story = record.story(2)
    assert (story.project, story.status, story.begun, story.seconds) == ("shop", 2, 1000.0, 3.0)
    assert [ran.report for ran in story.steps] == [
        *(passed("a"), failed("b"), not_run("c", "needs b, which failed"))
    ]
    assert [ran.log for ran in story.steps] == [b"", b"x" * (KEPT - 7) + b"the end", b""]


def test_what_was_under_way_when_all_ended_was_stopped(tmp_path: Path) -> None:
    ticks = count(1000)
    record, kept = Record("shop", PLAN, lambda: float(next(ticks))), logs(tmp_path)
    with pytest.raises(KeyboardInterrupt), record.over(PlainDisplay(QUIET, kept), kept) as display:
        display.started(step("a"), 1)
        display.started(step("a"), 2)
        write(kept.log("a"), (1, b"so far"))
        raise KeyboardInterrupt
    story = record.story(130)
    first, *others = story.steps
    assert (first.report.state, first.report.attempts, first.report.seconds) == (State.STOPPED, 2, 1.0)
    assert first.log == b"so far"
    assert [ran.report.state for ran in others] == [State.NOT_RUN] * 2


def test_an_error_is_that_of_the_step_that_had_the_callers_streams(tmp_path: Path) -> None:
    error = EngineError("the engine is gone")
    record, kept = Record("shop", PLAN, lambda: 0.0), logs(tmp_path)
    assert record.story(120, error).error is error  # nothing had begun
    with record.over(PlainDisplay(QUIET, kept), kept) as display:
        display.started(step("a"), 1)
    story = record.story(120, error)
    assert story.error is None
    report = story.steps[0].report
    assert (report.state, report.error, report.status) == (State.FAILED, error, 120)
