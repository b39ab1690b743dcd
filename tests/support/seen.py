"""A Progress that remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from buildbox.progress import Meter


class SeenMeter:
    """A meter's total and what it came to; several threads may advance it."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.done = 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self.done += amount


class Seen:
    """All that work said of itself."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.meters: list[tuple[str, SeenMeter]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def detail(self, text: str) -> None:
        pass

    @contextmanager
    def meter(self, label: str, total: int | None) -> Iterator[Meter]:
        meter = SeenMeter(total)
        self.meters.append((label, meter))
        yield meter
