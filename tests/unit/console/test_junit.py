from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from buildbox.console.junit import junit
from buildbox.console.record import Ran, Story
from buildbox.errors import EngineError
from buildbox.execute import Outcome
from buildbox.schedule.report import Report, State
from tests.support.told import failed, not_run, passed, step

CACHED = Report("cached", State.CACHED, 0.1)
STOPPED = Report("stopped", State.STOPPED, 2.0, 1)
BROKEN = Report("broken", State.FAILED, error=EngineError("the engine is gone", "Start it."))
LATE = Report("late", State.FAILED, 1.0, 1, Outcome(124, 1.0, timed_out=True))


def story(*reports: Report, log: bytes = b"", **changes: object) -> Story:
    steps = [Ran(step(report.step, timeout=1.0), report, log) for report in reports]
    return replace(Story("shop", 1_700_000_000.0, 12.5, 2, steps), **changes)  # type: ignore[arg-type]


def case(found: Story, number: int = 0) -> ElementTree.Element:
    return list(ElementTree.fromstring(junit(found)).iter("testcase"))[number]


def test_every_way_to_end() -> None:
    again = replace(passed("again"), attempts=2)
    reports = (passed(), again, CACHED, failed("bad"), LATE, not_run("not", "needs bad"), STOPPED, BROKEN)
    found = JUnitXml.fromstring(junit(story(*reports)))
    (suite,) = found
    assert (suite.name, suite.timestamp, suite.time) == ("shop", "2023-11-14T22:13:20", 12.5)
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (8, 2, 2, 1)
    assert (found.tests, found.failures, found.errors, found.skipped) == (8, 2, 2, 1)
    told = {test.name: [(type(one).__name__, one.type, one.message) for one in test.result] for test in suite}
    assert told == {
        "test": [],
        "again": [],
        "cached": [],
        "bad": [("Failure", "exit status 2", "failed: exit status 2 (3.4s)")],
        "late": [("Failure", "timeout", "was stopped at its timeout of 1.0s (1.0s)")],
        "not": [("Skipped", None, "not run: needs bad")],
        "stopped": [("Error", "stopped", "was stopped (2.0s)")],
        "broken": [("Error", "engine", "failed: the engine is gone")],
    }
    outputs = {test.name: test.system_out for test in suite if test.system_out}
    assert outputs == {
        "again": "passed (1.2s, attempt 2)",
        "cached": "cached: it has passed before, with the same inputs",
    }
    assert [test.time for test in suite][:2] == [1.2, 1.2]


def test_a_failure_has_the_end_of_the_log_and_what_to_do() -> None:
    failure = case(story(failed(), log=b"\33[31mwhy\33[0m\n<b>&]]>\n")).find("failure")
    assert failure is not None and failure.text == "failed: exit status 2 (3.4s)\nwhy\n<b>&]]>"
    error = case(story(BROKEN)).find("error")
    assert error is not None and error.text == "failed: the engine is gone\nStart it."


def test_an_error_of_no_step_is_a_test_case_too() -> None:
    found = story(not_run("a", ""), error=EngineError("no engine", "Start one."))
    (suite,) = JUnitXml.fromstring(junit(found))
    assert (suite.tests, suite.errors, suite.skipped) == (2, 1, 1)
    error = case(found, 1).find("error")
    assert error is not None and error.text == "no engine\nStart one."


def test_nothing_to_run_is_a_file_too() -> None:
    assert ElementTree.fromstring(junit(story())).get("tests") == "0"


@given(st.text(), st.binary(), st.text())
def test_it_is_well_formed_whatever_the_log_the_names_and_the_reasons_hold(
    name: str, log: bytes, why: str
) -> None:
    error = EngineError(why, why)
    for report in (failed(name), not_run(name, why), Report(name, State.FAILED, error=error)):
        assert len(list(ElementTree.fromstring(junit(story(report, log=log, project=name))).iter())) == 4
