"""Clients of the engine's API for many threads: each request has one for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Clients:
    """Clients that `make` makes, kept for the next request; as many as there are requests at once.

    The SDK promises nothing to two threads that share one, and keeps a request's settings in it. One takes
    0.2 ms to make and opens its connection with its first request.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._idle: list[Any] = []  # the last one used is the next: a single thread has one connection
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A client that nobody else uses for as long as the context. It may not be kept."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._make()
        try:
            yield client
        finally:
            self._idle.append(client)
            if self._closed:
                self.close()

    def close(self) -> None:
        """Closes all of them; those that are in use, when their request is over."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
