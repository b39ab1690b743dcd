"""A run as JUnit XML, which CI systems show as test results: a test case for each step.

The format has no specification; this is what Apache Ant's JUnit task writes, as far as Jenkins (its plugin
"JUnit"), GitLab ("Unit test reports") and the usual readers agree on it: names, times, `failure` for a task
that failed, `error` where it is buildbox that couldn't go on, `skipped` for what wasn't run, `system-out`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from buildbox.console import words
from buildbox.console.quoted import hint_lines
from buildbox.console.record import Ran, Story
from buildbox.console.text import last_lines, printable
from buildbox.errors import BuildboxError
from buildbox.schedule.report import State

_LINES = 1000  # of the end of a log


def junit(story: Story) -> bytes:
    """The file."""
    cases = [_case(story, ran) for ran in story.steps]
    if story.error:
        cases.append(_fault(story, story.error))
    counts = {
        "tests": str(len(cases)),
        "failures": _count(cases, "failure"),
        "errors": _count(cases, "error"),
        "skipped": _count(cases, "skipped"),
        "time": f"{story.seconds:.3f}",
    }
    root = Element("testsuites", {"name": "buildbox", **counts})
    begun = datetime.fromtimestamp(story.begun, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    about = {"name": printable(story.project), "timestamp": begun}
    suite = SubElement(root, "testsuite", {**about, **counts})
    suite.extend(cases)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(story: Story, ran: Ran) -> Element:
    report = ran.report
    case = _named(story, report.step, report.seconds)
    told = printable(words.verdict(ran.step, report))
    if report.state is State.CACHED:
        SubElement(case, "system-out").text = "cached: it has passed before, with the same inputs"
    elif report.state is State.NOT_RUN:
        SubElement(case, "skipped", message=told)
    elif report.state is State.PASSED and report.attempts > 1:
        SubElement(case, "system-out").text = told
    elif report.state is not State.PASSED:
        of_buildbox = bool(report.error) or report.state is State.STOPPED
        fault = SubElement(case, "error" if of_buildbox else "failure", message=told, type=_kind(ran))
        advice = (printable(line) for line in words.advice(report))
        fault.text = "\n".join(filter(None, (told, *advice, last_lines(ran.log, _LINES, len(ran.log)))))
    return case


def _fault(story: Story, error: BuildboxError) -> Element:
    """What ended the run beside its steps."""
    case = _named(story, "buildbox", 0.0)
    fault = SubElement(case, "error", message=printable(error.reason), type=_word(error))
    fault.text = "\n".join(printable(line) for line in (error.reason, *hint_lines(error)))
    return case


def _named(story: Story, name: str, seconds: float) -> Element:
    return Element(
        "testcase", name=printable(name), classname=printable(story.project), time=f"{seconds:.3f}"
    )


def _kind(ran: Ran) -> str:
    report = ran.report
    if report.error:
        return _word(report.error)
    if report.state is State.STOPPED:
        return "stopped"
    return "timeout" if report.outcome and report.outcome.timed_out else f"exit status {report.status}"


def _word(error: BuildboxError) -> str:
    return error.exit.name.lower()  # engine, image, usage: what the exit status stands for


def _count(cases: Sequence[Element], kind: str) -> str:
    return str(sum(case.find(kind) is not None for case in cases))
