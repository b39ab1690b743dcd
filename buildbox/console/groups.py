"""A run as the groups of a CI system: each step's output together, folded where it passed.

GitHub Actions: `::group::` (Workflow commands for GitHub Actions, "Grouping log lines"). GitLab:
section_start and section_end (CI/CD job logs, "Custom collapsible sections"). Azure Pipelines: `##[group]`
(Logging commands, "Formatting commands"). Buildkite: `---` and `+++` (Managing log output).

A task's output goes through as it is: a line in it that the CI system takes for a command is one, as if the
job had run the task without buildbox.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from buildbox.console import words
from buildbox.console.github import escaped
from buildbox.console.messages import Console
from buildbox.console.telling import BAD, SHOWN, annotate, say_ended, say_summary
from buildbox.console.text import printable
from buildbox.console.writing import write_all
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step

_SECTION = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Marks:
    """The lines around a step's output. Each is given the step's name and the seconds since the epoch."""

    folded: Callable[[str, int, str], str]  # and a title
    shown: Callable[[str, int, str], str]
    folded_end: Callable[[str, int], str]
    shown_end: Callable[[str, int], str]


def ci_marks(env: Mapping[str, str]) -> Marks | None:
    """The groups of the CI system that `env` says it is; None where it has none that are known."""
    if env.get("GITHUB_ACTIONS") == "true":
        return _GITHUB
    if env.get("GITLAB_CI"):
        return _GITLAB
    if env.get("TF_BUILD"):
        return _AZURE
    return _BUILDKITE if env.get("BUILDKITE") else None


class GroupedDisplay:
    """Each step's output in one piece when it has ended, from its log, all on the descriptor `out`:
    what a CI system reads from two pipes could come in another order."""

    def __init__(self, console: Console, logs: Logs, marks: Marks, *, out: int = 1) -> None:
        self._console = console
        self._logs = logs
        self._marks = marks
        self._out = out
        self._lock = threading.Lock()
        self._asked: set[str] = set()  # the steps whose output isn't seen elsewhere
        self._alone = False  # the run has one step

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._alone = len(plan.steps) == 1

    def started(self, step: Step, attempt: int) -> None:
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._console.say(f"{step.name} …{again}")

    def output(self, step: Step) -> Output:
        self._asked.add(step.name)
        return Unseen()

    def note(self, step: Step | None, text: str) -> None:
        self._console.say(f"{step.name}: {text}" if step else text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        self._console.say(f"{step.name} {words.retry(step, outcome, pause)}")

    def ended(self, step: Step, report: Report) -> None:
        if report.state is not State.NOT_RUN and step.name in self._asked:
            title = f"{step.name} {words.verdict(step, report)}"
            self._group(step.name, title, report.state not in BAD)
        if report.state in BAD or step.name not in self._asked:  # else the group's title has said it
            say_ended(self._console, step, report, alone=self._alone)
        annotate(self._console, step, report, self._logs)

    def finished(self, summary: Summary) -> None:
        say_summary(self._console, summary, self._logs)

    def show(self, step: Step, name: str) -> None:
        """The end of the log `name` of what ran beside `step`, as a group of its own."""
        self._group(name, f"the end of the log of {name}", True, SHOWN)

    def close(self) -> None:
        """Nothing is left to do."""

    def _group(self, name: str, title: str, folded: bool, size: int | None = None) -> None:
        marks = self._marks
        begin, end = (marks.folded, marks.folded_end) if folded else (marks.shown, marks.shown_end)
        try:
            with self._lock:
                last = b"\n"
                self._write(begin(name, int(time.time()), printable(title)).encode())
                for data in self._logs.read(name, size):
                    self._write(data)
                    last = data[-1:]
                closing = end(name, int(time.time())).encode()
                self._write(closing if last == b"\n" else b"\n" + closing)
        except OSError as error:
            self._console.warn(f"the output of {name} can't be shown: {error.strerror}")

    def _write(self, data: bytes) -> None:
        write_all(self._out, [memoryview(data)])


class Unseen:
    """An Output that nobody looks at: the log has it."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Takes everything."""


def _gitlab_start(name: str, now: int, title: str, how: str) -> str:
    return f"\033[0Ksection_start:{now}:{_SECTION.sub('_', name)}{how}\r\033[0K{title}\n"


def _gitlab_end(name: str, now: int) -> str:
    return f"\033[0Ksection_end:{now}:{_SECTION.sub('_', name)}\r\033[0K\n"


def _nothing(name: str, now: int) -> str:
    return ""


_GITHUB = Marks(
    lambda name, now, title: f"::group::{escaped(title)}\n",
    lambda name, now, title: f"{title}\n",
    lambda name, now: "::endgroup::\n",
    _nothing,
)
_GITLAB = Marks(
    lambda name, now, title: _gitlab_start(name, now, title, "[collapsed=true]"),
    lambda name, now, title: _gitlab_start(name, now, title, ""),
    _gitlab_end,
    _gitlab_end,
)
_AZURE = Marks(
    lambda name, now, title: f"##[group]{title}\n",
    lambda name, now, title: f"##[section]{title}\n",
    lambda name, now: "##[endgroup]\n",
    _nothing,
)
_BUILDKITE = Marks(
    lambda name, now, title: f"--- {title}\n",
    lambda name, now, title: f"+++ {title}\n",
    _nothing,
    _nothing,
)
