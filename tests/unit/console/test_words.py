from __future__ import annotations

from dataclasses import replace

import pytest

from buildbox.console.words import advice, not_run, retry, totals, verdict
from buildbox.errors import ArchiveError
from buildbox.execute import Outcome
from buildbox.schedule.report import Report, State
from tests.support.told import failed, passed, step, summary
from tests.support.told import not_run as unrun


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (passed(), "passed (1.2s)"),
        (replace(passed(), attempts=3), "passed (1.2s, attempt 3)"),
        (Report("test", State.CACHED, 0.04), "cached (0.0s)"),
        (failed(), "failed: exit status 2 (3.4s)"),
        (failed(status=126), "failed: exit status 126, a program that can't be executed (3.4s)"),
        (failed(status=124, timed_out=True), "was stopped at its timeout of 1m30s (3.4s)"),
        (failed(status=141), "was stopped (3.4s)"),
        (Report("test", State.STOPPED, 3.4), "was stopped (3.4s)"),
        (Report("test", State.FAILED, error=ArchiveError("no room", "Free some.")), "failed: no room"),
        (Report("test", State.FAILED, 3.4, why="no image"), "failed: no image (3.4s)"),
        (unrun("test", ""), "not run"),
        (unrun("test", "needs a, which failed"), "not run: needs a, which failed"),
    ],
)
def test_how_a_step_ended(report: Report, wanted: str) -> None:
    assert verdict(step(timeout=90.0), report) == wanted


def test_a_kill_that_nobody_explains() -> None:
    assert verdict(step(), failed(status=137)) == "failed: exit status 137 (3.4s)"
    limited = step(memory=16 << 20)
    said = "failed: exit status 137, perhaps at its memory limit (16 MiB) (3.4s)"
    assert verdict(limited, failed(status=137)) == said


def test_what_to_do_about_it() -> None:
    assert advice(Report("test", State.FAILED, error=ArchiveError("no room", "Free\nsome."))) == [
        "Free",
        "some.",
    ]
    assert advice(failed()) == ()


def test_between_two_attempts() -> None:
    assert retry(step(), Outcome(2, 1.0), 4) == "failed: exit status 2; it is tried again in 4.0s"


def test_a_run_in_one_line() -> None:
    cached = Report("b", State.CACHED)
    reports = (passed("a"), cached, passed("c"), failed("d"), unrun("e", "x"))
    assert totals(summary(*reports, seconds=63)) == "2 passed, 1 cached, 1 failed, 1 not run (1m03s)"
    assert totals(summary()) == "nothing ran (12s)"


def test_steps_that_were_not_run_are_told_by_their_reason() -> None:
    reports = (unrun("a", "needs x, which failed"), unrun("b", ""), unrun("c", "needs x, which failed"))
    assert not_run(summary(*reports)) == {" (needs x, which failed)": ["a", "c"], "": ["b"]}
