"""Messages, progress, tables, answers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildbox.console.bars import Bars
from buildbox.console.quoted import harmless, hint_lines
from buildbox.console.screen import Screen
from buildbox.console.writing import to_stderr, write_all
from buildbox.errors import BuildboxError, ConfigError
from buildbox.units import show_size

if TYPE_CHECKING:
    from buildbox.progress import Meter

_RED, _BOLD, _PLAIN = "\033[31m", "\033[1m", "\033[0m"
_STATES = {"ok": "\033[32m", "warn": "\033[33m", "fail": _BOLD + _RED}


@dataclass(frozen=True)
class Console:
    """How to show things, decided once from the command line and the terminal."""

    quiet: bool
    verbose: bool
    json: bool
    color: bool  # on stderr
    live: bool  # stderr is a terminal that may be drawn on
    color_out: bool = False  # on stdout
    github: bool = False  # stderr is read by GitHub Actions
    screen: Screen = field(default_factory=Screen, repr=False)  # what a run draws
    _bars: Bars = field(default_factory=Bars, repr=False)

    def say(self, text: str) -> None:
        """A message of buildbox's own, on stderr."""
        if not self.quiet:
            self._message(text)

    def detail(self, text: str) -> None:
        """A message for those who asked for more."""
        if self.verbose and not self.quiet:
            self._message(text)

    def warn(self, text: str, advice: Iterable[str] = ()) -> None:
        """What went wrong, for the quiet too, and lines of what to do."""
        self._message(text, _RED)
        for line in advice:
            self.raw(f"  {line}".rstrip() + "\n")

    def beware(self, text: str) -> None:
        """What isn't wrong yet, for the quiet too, and where GitHub Actions shows it."""
        self._message(text, _RED)
        if self.github:
            from buildbox.console.github import annotation

            self.raw(annotation("warning", text, title="buildbox"))

    def error(self, error: BuildboxError) -> None:
        """What is wrong, where, and what to do."""
        self._message(error.reason, _RED)
        for problem in error.problems if isinstance(error, ConfigError) else ():
            self.raw(f"  {harmless(problem)}\n")
        for line in hint_lines(error):
            self.raw(f"  {line}".rstrip() + "\n")
        if self.github:
            from buildbox.console.annotations import of_error

            self.raw("".join(of_error(error)))

    def raw(self, text: str) -> None:
        """A text for stderr, as it is; above what is drawn there."""
        if not self.screen.write(text.encode(errors="backslashreplace")):
            to_stderr(text)

    def document(self, value: Any) -> None:
        """The one JSON document of a command with --json, on stdout."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def event(self, value: Mapping[str, Any]) -> None:
        """One JSON line of a running command with --json, on stdout."""
        line = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")
        write_all(1, [memoryview(line + b"\n")])

    def lines(self, text: Iterable[str]) -> None:
        """A command's answer, or a part of it, on stdout at once."""
        sys.stdout.write("".join(f"{line}\n" for line in text))
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table on stdout, as wide as its contents; no cell is ever cut."""
        texts = [tuple(columns), *(tuple(row) for row in rows)]
        widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
        padded = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in texts
        )
        self.lines(line.rstrip() for line in padded)

    def state(self, word: str) -> str:
        """`ok`, `warn` or `fail` for the start of a line on stdout, each as wide as the others."""
        padded = word.ljust(4)
        return f"{_STATES[word]}{padded}{_PLAIN}" if self.color_out else padded

    # buildbox.progress.Progress

    def note(self, text: str) -> None:
        """A step of long work begins."""
        self.say(text)

    @contextmanager
    def meter(self, label: str, total: int | None) -> Iterator[Meter]:
        """A bar with bytes and speed on a terminal; elsewhere one line at the end, with the speed if it
        took a second."""
        if self.screen.is_open:
            with self.screen.meter(label, total) as meter:
                yield meter
            return
        if self.quiet or not self.live:
            counter, begun = _Counter(), time.monotonic()
            yield counter
            if not self.quiet:
                seconds = time.monotonic() - begun
                speed = f", {show_size(int(counter.done / seconds))}/s" if seconds >= 1 else ""
                self._message(f"{label}: {show_size(counter.done)}{speed}")
            return
        with self._bars.bar(label, total, self.color) as meter:
            yield meter

    def _message(self, text: str, style: str = "") -> None:
        mark = f"{_BOLD}{style}buildbox:{_PLAIN}" if self.color else "buildbox:"
        self.raw(f"{mark} {harmless(text)}\n")


class _Counter:
    def __init__(self) -> None:
        self.done = 0

    def advance(self, amount: int) -> None:
        self.done += amount
