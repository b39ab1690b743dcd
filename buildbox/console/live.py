"""A run on a terminal: a row for each running step, a line that stays for each that has ended."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from buildbox.console import words
from buildbox.console.last_line import LastLine
from buildbox.console.messages import Console
from buildbox.console.telling import SHOWN, say_summary
from buildbox.console.writing import write_all
from buildbox.execute import Outcome, Output
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step
from buildbox.units import show_duration

_GREEN, _RED, _DIM, _RESET = "\033[32m", "\033[31m", "\033[2m", "\033[0m"
_SIGNS = {
    State.PASSED: ("✓", "+", _GREEN),
    State.CACHED: ("✓", "+", _GREEN),
    State.FAILED: ("✗", "x", _RED),
    State.STOPPED: ("✗", "x", _RED),
    State.NOT_RUN: ("-", "-", _DIM),
}
_NAME = 40  # columns of a name at most


@dataclass
class _Running:
    name: str
    begun: float = field(default_factory=time.monotonic)
    attempt: int = 1


class LiveDisplay:
    """Draws on stderr; the full output of what failed is printed, of the rest with -v."""

    def __init__(self, console: Console, logs: Logs) -> None:
        self._console = console
        self._logs = logs
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._total = 0
        self._running: dict[str, _Running] = {}
        self._asked: set[str] = set()  # the steps whose output isn't seen elsewhere
        self._ends: dict[str, LastLine] = {}
        self._done: Counter[State] = Counter()
        self._unicode = (sys.stderr.encoding or "").lower().startswith("utf")

    def plan(self, plan: Plan) -> None:
        """See `schedule.report.Display`, for all methods."""
        self._total = len(plan.steps)
        self._console.screen.open(self._rows, self._console.color)

    def started(self, step: Step, attempt: int) -> None:
        with self._lock:
            self._running[step.name] = _Running(step.name, attempt=attempt)

    def output(self, step: Step) -> Output:
        with self._lock:
            self._asked.add(step.name)
            return self._ends.setdefault(step.name, LastLine())

    def note(self, step: Step | None, text: str) -> None:
        self._console.say(f"{step.name}: {text}" if step else text)

    def retrying(self, step: Step, outcome: Outcome, pause: float) -> None:
        with self._lock:
            self._forget(step)
        self._console.say(f"{step.name} {words.retry(step, outcome, pause)}")

    def ended(self, step: Step, report: Report) -> None:
        with self._lock:
            self._forget(step)
            self._done[report.state] += 1
        if report.state is State.NOT_RUN:
            return  # the summary has them together
        line = self._line(step, report)
        if step.name in self._asked and (report.state is State.FAILED or self._console.verbose):
            self._print_log(step.name, line)
        else:
            self._console.raw(line)

    def finished(self, summary: Summary) -> None:
        self.close()
        say_summary(self._console, summary, self._logs)

    def show(self, step: Step, name: str) -> None:
        """The end of the log `name` of what ran beside `step`, behind a line that says so."""
        self._print_log(name, f"the end of the log of {name}:\n", SHOWN)

    def close(self) -> None:
        """What is drawn is gone, the cursor is back; lines that follow are just written."""
        self._console.screen.close()

    def _forget(self, step: Step) -> None:
        self._running.pop(step.name, None)
        self._ends.pop(step.name, None)

    def _line(self, step: Step, report: Report) -> str:
        pretty, simple, color = _SIGNS[report.state]
        sign = pretty if self._unicode else simple
        if report.state is State.PASSED:
            tries = f", attempt {report.attempts}" if report.attempts > 1 else ""
            text = f"{step.name} {show_duration(report.seconds)}{tries}"
        else:
            text = f"{step.name} {words.verdict(step, report)}"
        colored = f"{color}{sign}{_RESET}" if self._console.color else sign
        return "\n  ".join((f"{colored} {text}", *words.advice(report))) + "\n"

    def _print_log(self, name: str, line: str, size: int | None = None) -> None:
        """The line, then what was written, byte for byte, in one piece."""
        with self._console.screen.paused():
            try:
                write_all(2, [memoryview(line.encode(errors="backslashreplace"))])
                last = b"\n"
                for data in self._logs.read(name, size):
                    write_all(2, [memoryview(data)])
                    last = data[-1:]
                write_all(2, [memoryview(b"\033[0m" if last == b"\n" else b"\033[0m\n")])
            except OSError as error:
                self._console.warn(f"the output of {name} can't be shown: {error.strerror}")

    def _rows(self, width: int, height: int) -> Sequence[tuple[str, str]]:
        """What is drawn: the steps that run, those that began first on top, then how far the run is."""
        now = time.monotonic()
        with self._lock:
            running = list(self._running.values())
            ends = dict(self._ends)
            done = Counter(self._done)
        room = height - 1
        shown = running if len(running) <= room else running[: max(0, room - 1)]
        names = min(max((len(item.name) for item in shown), default=0), _NAME, width // 2)
        rows = []
        for item in shown:
            end = ends[item.name].text() if item.name in ends else ""
            name = item.name if len(item.name) <= names else f"{item.name[: names - 1]}…"
            again = f" (attempt {item.attempt})" if item.attempt > 1 else ""
            took = show_duration(now - item.begun).rjust(6)
            rows.append((f"{name.ljust(names)} {took}{again}  {end}".rstrip(), ""))
        if len(shown) < len(running) and room > 0:
            rows.append((f"and {len(running) - len(shown)} more", "dim"))
        rows.append((self._count(done, len(running), now), "bold"))
        return rows

    def _count(self, done: Counter[State], running: int, now: float) -> str:
        ended = sum(done.values())
        details = [f"{done[state]} {state.value}" for state in State if done[state] and state != State.PASSED]
        parts = [
            f"{ended} done" + (f" ({', '.join(details)})" if details else ""),
            f"{running} running",
            f"{max(0, self._total - ended - running)} waiting",
        ]
        return f"{', '.join(parts)}  {show_duration(now - self._begun)}"
