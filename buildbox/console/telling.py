"""buildbox's own lines about steps and runs, where nothing is drawn."""

from __future__ import annotations

from buildbox.console import words
from buildbox.console.messages import Console
from buildbox.errors import Exit
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Step

BAD = frozenset({State.FAILED, State.STOPPED})


def say_ended(console: Console, step: Step, report: Report) -> None:
    """How a step ended; the steps that weren't run are told together, in the end."""
    if report.state is State.NOT_RUN or report.status == Exit.BROKEN_PIPE:
        return
    text = f"{step.name} {words.verdict(step, report)}"
    if report.state in BAD:
        console.warn(text, words.advice(report))
    else:
        console.say(text)


def say_summary(console: Console, summary: Summary, logs: Logs) -> None:
    """The run's last lines: totals, what wasn't run and why, where the logs of what failed are."""
    bad = [report for report in summary.reports if report.state in BAD]
    if len(summary.reports) > 1:
        console.say(words.totals(summary))
    for why, names in words.not_run(summary).items():
        console.say(f"not run{why}: {', '.join(names)}")
    for report in bad:
        path = logs.path(report.step)
        if path:
            console.say(f"the log of {report.step}: {path}")
    if not bad and logs.kept:
        console.detail(f"logs: {logs.kept}")
    if summary.unclean:
        console.warn(summary.unclean.reason, summary.unclean.hint.splitlines())
