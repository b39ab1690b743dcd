"""All that a person sees: messages, progress, tables. The only user of rich, and that only when it draws."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildbox.errors import BuildboxError, ConfigError
from buildbox.units import show_size

if TYPE_CHECKING:
    from rich.progress import Progress as Drawing
    from rich.progress import TaskID

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
    _bars: _Bars = field(default_factory=lambda: _Bars(), repr=False)

    def say(self, text: str) -> None:
        """A message of buildbox's own, on stderr."""
        if not self.quiet:
            self._message(text)

    def detail(self, text: str) -> None:
        """A message for those who asked for more."""
        if self.verbose and not self.quiet:
            self._message(text)

    def error(self, error: BuildboxError) -> None:
        """What is wrong, where, and what to do."""
        self._message(error.reason, _RED)
        for problem in error.problems if isinstance(error, ConfigError) else ():
            _to_stderr(f"  {problem}\n")
        for line in error.hint.splitlines():
            _to_stderr(f"  {line}".rstrip() + "\n")

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
        _to_stderr(f"{mark} {text}\n")


class _Counter:
    def __init__(self) -> None:
        self.done = 0

    def advance(self, amount: int) -> None:
        self.done += amount


class _Bars:
    """The bars of all work that runs at once, drawn together for as long as there is any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawing: Drawing | None = None
        self._running = 0

    @contextmanager
    def bar(self, label: str, total: int | None, color: bool) -> Iterator[Meter]:
        with self._lock:
            self._drawing = self._drawing or _start_drawing(color)
            self._running += 1
            drawing = self._drawing
            task = drawing.add_task(label, total=total)
        try:
            yield _Bar(drawing, task)
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    drawing.stop()
                    self._drawing = None


@dataclass(frozen=True)
class _Bar:
    drawing: Drawing
    task: TaskID

    def advance(self, amount: int) -> None:
        self.drawing.advance(self.task, amount)


def _start_drawing(color: bool) -> Drawing:
    from rich import progress
    from rich.console import Console as RichConsole

    drawing = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeElapsedColumn(),
        console=RichConsole(stderr=True, no_color=not color),
    )
    drawing.start()
    return drawing


def write_all(descriptor: int, views: Sequence[memoryview]) -> None:
    """Writes every byte, however little the descriptor takes at a time. Raises OSError."""
    left = list(views)
    while left:
        try:
            count = os.writev(descriptor, left[:1000])  # at most IOV_MAX at a time
        except BlockingIOError:  # whoever shares the descriptor made it non-blocking
            select.select([], [descriptor], [])
            continue
        while left and count >= len(left[0]):
            count -= len(left[0])
            left.pop(0)
        if count:
            left[0] = left[0][count:]


def _to_stderr(text: str) -> None:
    try:
        write_all(2, [memoryview(text.encode(errors="backslashreplace"))])
    except OSError:
        pass  # nobody is there to read it
