"""buildbox's own lines about steps and runs, where nothing is drawn."""

from __future__ import annotations

from buildbox.console import words
from buildbox.console.messages import Console
from buildbox.errors import Exit
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Step

BAD = frozenset({State.FAILED, State.STOPPED})
SHOWN = 1 << 14  # bytes of the end of a service's log, where a task with it failed


def say_ended(console: Console, step: Step, report: Report, *, alone: bool) -> None:
    """How a step ended; the steps that weren't run are told together, in the end.

    The quiet are told of failures, too, unless the step ran `alone`: then its exit status is enough.
    """
    if report.state is State.NOT_RUN or report.status == Exit.BROKEN_PIPE:
        return
    text = f"{step.name} {words.verdict(step, report)}"
    if report.state in BAD and not (alone and console.quiet):
        console.warn(text, words.advice(report))
    else:
        console.say(text)


def say_summary(console: Console, summary: Summary, logs: Logs) -> None:
    """The run's last lines: totals, what wasn't run and why, where the logs of what failed are."""
    bad = [report for report in summary.reports if report.state in BAD]
    many = len(summary.reports) > 1
    if many:
        console.say(words.totals(summary))
    for why, names in words.not_run(summary).items():
        console.say(f"not run{why}: {', '.join(names)}")
    for report in bad:
        for name in (*([report.step] if many else []), *logs.beside(report.step)):
            path = logs.path(name)
            if path:
                console.say(f"the log of {name}: {path}")
    if not bad and logs.kept:
        console.detail(f"logs: {logs.kept}")


def annotate(console: Console, step: Step, report: Report, logs: Logs) -> None:
    """Has GitHub Actions, where we run in it, show what is worth it; the step's log is complete."""
    if not console.github:
        return
    from buildbox.console.annotations import END, of_step

    try:
        log = b"".join(logs.read(step.name, END)) if report.state is State.FAILED else b""
    except OSError:
        log = b""  # how it ended can be told all the same
    console.raw(of_step(step, report, log))
