"""The part of a terminal that is drawn over and over, below the lines that stay. rich draws it, once it is
known to be worth the time that rich takes to load."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buildbox.console.writing import write_all
from buildbox.units import show_size

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType
    from rich.live import Live

    from buildbox.progress import Meter

_PAUSE = 0.1  # seconds between two pictures
_BEFORE = 0.15  # seconds before the first: what is done by then needs none

Rows = Callable[[int, int], Sequence[tuple[str, str]]]


class _Meter:
    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._done = label, total, 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount

    def row(self) -> tuple[str, str]:
        whole = f" of {show_size(self._total)}" if self._total else ""
        return f"{self._label}  {show_size(self._done)}{whole}", "dim"


class Screen:
    """Draws rows on stderr from `open` until `close`; both are done once for a run, from any thread."""

    def __init__(self) -> None:
        self._state = threading.Lock()  # never held for long
        self._terminal = threading.RLock()  # held while something is written to the terminal
        self._is_open = False
        self._pending: list[bytes] = []  # lines that stay, not written yet
        self._meters: list[_Meter] = []
        self._rows: Rows = lambda width, height: ()
        self._color = False
        self._closing = threading.Event()
        self._live: Live | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything is drawn, so that nobody else may write to the terminal."""
        return self._is_open

    def open(self, rows: Rows, color: bool) -> None:
        """Draws what `rows` gives for the terminal's columns and lines: texts with a style of rich's."""
        from buildbox.execute.events import in_background

        with self._state:
            if self._is_open:
                return
            self._rows, self._color, self._is_open = rows, color, True
            self._closing = threading.Event()
        atexit.register(self.close)
        closing = self._closing
        in_background(lambda: self._draw(closing))

    def write(self, data: bytes) -> bool:
        """Lines that stay, above what is drawn, within a tenth of a second; False where nothing is drawn."""
        with self._state:
            if self._is_open:
                self._pending.append(data)
            return self._is_open

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn in the context, and all lines that were to stay are written: for raw output."""
        with self._terminal:
            self._clear()
            yield  # the thread that draws waits, and then draws anew

    @contextmanager
    def meter(self, label: str, total: int | None) -> Iterator[Meter]:
        """A row of its own for a piece of work, while it lasts."""
        meter = _Meter(label, total)
        with self._state:
            self._meters.append(meter)
        try:
            yield meter
        finally:
            with self._state:
                self._meters.remove(meter)

    def close(self) -> None:
        """What is drawn is gone, the cursor is back; from now on lines are written by whoever has them."""
        self._closing.set()
        with self._terminal:
            try:
                self._clear()
            finally:
                with self._state:
                    self._is_open = False
                self._flush()  # what came in between
        atexit.unregister(self.close)

    def _draw(self, closing: threading.Event) -> None:
        """The thread that draws, until the screen is closed or the terminal is gone."""
        try:
            if closing.wait(_BEFORE):
                return
            console = _rich_console(self._color)
            while not closing.wait(_PAUSE):
                with self._terminal:
                    if closing.is_set():
                        return
                    if self._pending:
                        self._clear()
                    if self._live:
                        self._live.refresh()
                    else:
                        self._live = _live(console, self._picture)
                        self._live.start(refresh=True)
        except Exception:
            self.close()  # a terminal that is gone, say: no picture is a reason to fail

    def _clear(self) -> None:
        live, self._live = self._live, None  # one that was stopped would take lines that stay for its own
        try:
            if live:
                live.stop()
        finally:
            self._flush()

    def _flush(self) -> None:
        with self._state:
            pending, self._pending = self._pending, []
        try:
            write_all(2, [memoryview(data) for data in pending])
        except OSError:
            pass  # nobody is there to read it

    def _picture(self, columns: int, lines: int) -> RenderableType:
        from rich.text import Text

        with self._state:
            meters = [meter.row() for meter in self._meters]
        rows = [*self._rows(columns, max(1, lines - 1 - len(meters))), *meters][-max(1, lines - 1) :]
        picture = Text(no_wrap=True, overflow="crop", end="")
        for number, (text, style) in enumerate(rows):
            row = Text(text, style=style)
            row.truncate(max(1, columns - 1), overflow="ellipsis")
            picture.append("\n" if number else "")
            picture.append_text(row)
        return picture


def _rich_console(color: bool) -> RichConsole:
    from rich.console import Console as RichConsole

    return RichConsole(file=sys.stderr, force_terminal=True, no_color=not color, highlight=False)


def _live(console: RichConsole, picture: Callable[[int, int], RenderableType]) -> Live:
    from rich.live import Live

    return Live(
        console=console,
        get_renderable=lambda: picture(*console.size),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )
