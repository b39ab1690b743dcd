"""What GitHub Actions shows beside a run: steps that failed or needed another attempt, and buildbox's own
errors, each problem of a configuration file at its line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildbox.console import words
from buildbox.console.github import MOST, annotation
from buildbox.console.text import last_lines
from buildbox.errors import BuildboxError, ConfigError
from buildbox.schedule.report import Report, State
from buildbox.tasks.plan import Step

END = 1 << 14  # bytes of a log that its last lines are looked for in
_LINES, _SIZE = 12, 1500  # lines and characters of a failed step's log
_PROBLEM = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): (?P<text>.*)", re.DOTALL)


def of_step(step: Step, report: Report, log: bytes) -> str:
    """The annotation for how `step` ended, if that deserves one; `log` is the end of what it wrote."""
    if report.state is State.PASSED and report.attempts > 1:
        told = f"{step.name} failed at first, and passed at attempt {report.attempts}"
        return annotation("warning", told, title=step.name)
    if report.state is not State.FAILED:
        return ""
    told = "\n".join((f"{step.name} {words.verdict(step, report)}", *words.advice(report)))
    end = last_lines(log, _LINES, _SIZE)
    return annotation("error", f"{told}\n\n{end}" if end.strip() else told, title=step.name)


def of_error(error: BuildboxError) -> Sequence[str]:
    """The annotations for an error that ended buildbox."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    if not problems:
        return [annotation("error", "\n".join(filter(None, (error.reason, error.hint))), title="buildbox")]
    return [_at_its_line(error, problem) for problem in problems[:MOST]]


def _at_its_line(error: BuildboxError, problem: str) -> str:
    match = _PROBLEM.fullmatch(problem)
    if not match:
        return annotation("error", problem, title="buildbox")
    path = error.reason.partition(" has ")[0]  # the runner makes it relative to the repository
    file = path if path.endswith(f"/{match['file']}") else match["file"]
    return annotation("error", match["text"], title="buildbox", file=file, line=int(match["line"]))
