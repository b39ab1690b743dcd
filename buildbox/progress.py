"""How long work reports on itself, without knowing who looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Meter(Protocol):
    """One running piece of work."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes (or items) are done."""


class Progress(Protocol):
    """Where work that can take over a second says what it does."""

    def note(self, text: str) -> None:
        """A line for the person: a step begins, a retry happens."""

    def detail(self, text: str) -> None:
        """A line for the person who asked for more (`-v`)."""

    def meter(self, label: str, total: int | None) -> AbstractContextManager[Meter]:
        """A context manager that gives a Meter for `total` bytes (None: not known)."""


class _SilentMeter:
    def advance(self, amount: int) -> None:
        pass


class Silent:
    """A Progress that nobody sees."""

    def note(self, text: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass

    @contextmanager
    def meter(self, label: str, total: int | None) -> Iterator[Meter]:
        yield _SilentMeter()
