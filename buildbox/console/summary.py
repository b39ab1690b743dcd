"""A run as Markdown, for the page that a CI system shows of a job.

GitHub Flavored Markdown, sections 4.5 (fenced code blocks) and 4.10 (tables). Nothing of what a project or a
task wrote is taken for Markdown or HTML: it is escaped, or stands in a fence that it can't close.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from buildbox.console import words
from buildbox.console.quoted import hint_lines
from buildbox.console.record import Ran, Story
from buildbox.console.text import last_lines, printable
from buildbox.schedule.report import State, Summary
from buildbox.units import show_duration

_SIGNS = {
    State.PASSED: "✅",
    State.CACHED: "♻️",
    State.FAILED: "❌",
    State.STOPPED: "🛑",
    State.NOT_RUN: "⏭️",
}
_ROWS = 300  # steps that the table has at most
_LINES, _SIZE = 200, 1 << 15  # lines and characters of a log
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~&@$]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
_TICKS = re.compile("`+")


def markdown(story: Story, room: int) -> str:
    """The text, of at most `room` bytes: nothing where not even the totals have room there."""
    text = ""
    for part in _parts(story):
        if len((text + part).encode()) > room:
            break
        text += part
    return text


def escape(text: str) -> str:
    """`text` in one line, as it is, in a paragraph or in a cell of a table."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", printable(text))


def fence(text: str) -> str:
    """Lines of text, as they are."""
    ticks = "`" * max(3, 1 + max((len(found) for found in _TICKS.findall(text)), default=0))
    return f"{ticks}text\n{text}\n{ticks}\n"


def _parts(story: Story) -> Iterator[str]:
    """The text in pieces, the most important ones first; each may be the last."""
    totals = words.totals(Summary([ran.report for ran in story.steps], story.seconds, story.status))
    yield f"### {escape(story.project)}: {totals}\n"
    if story.error:
        lines = (escape(line) for line in (story.error.reason, *hint_lines(story.error)))
        yield "\n" + "  \n".join(filter(None, lines)) + "\n"
    yield _table(story.steps)
    for ran in story.steps:
        if ran.report.state is State.FAILED and ran.log.strip():
            yield f"\nThe end of what **{escape(ran.report.step)}** wrote:\n\n" + fence(
                last_lines(ran.log, _LINES, _SIZE)
            )


def _table(steps: Sequence[Ran]) -> str:
    shown = steps
    if len(steps) > _ROWS:
        shown = [ran for ran in steps if ran.report.state not in (State.PASSED, State.CACHED)][:_ROWS]
    lines = ["", "| task | | time | |", "| --- | --- | ---: | --- |", *map(_row, shown)]
    if len(shown) < len(steps):
        lines += ["", f"and {len(steps) - len(shown)} more"]
    return "\n".join(lines) + "\n" if steps else ""


def _row(ran: Ran) -> str:
    report = ran.report
    time = "" if report.state is State.NOT_RUN else show_duration(report.seconds)
    state = f"{_SIGNS[report.state]} {report.state.value}"
    return f"| {escape(report.step)} | {state} | {time} | {escape(_why(ran))} |"


def _why(ran: Ran) -> str:
    report = ran.report
    if report.error:
        return " ".join((report.error.reason, *words.advice(report)))
    if report.state is State.FAILED and report.outcome and report.outcome.status:
        return words.failure(ran.step, report.outcome).removeprefix("failed: ")
    if report.state is State.PASSED and report.attempts > 1:
        return f"at attempt {report.attempts}"
    return report.why
