"""Bars of work with a known or unknown end. rich is loaded when the first one is drawn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Drawing
    from rich.progress import TaskID

    from buildbox.progress import Meter


class Bars:
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
