"""Secret values in a task's output become `***`, however the output is cut into writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

MASK = b"***"
_SHORTEST_LINE = 4  # bytes of a line of a longer value that is masked by itself
_BEGINNING = 8  # bytes by which a value that may have begun is looked for


class _Output(Protocol):
    """Where output goes, as `execute.Output` has it."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole."""


class Masked:
    """An Output without the secret `values`; everything else goes through byte for byte.

    What could still become a value is held back until it is one or isn't: only an end of what was written
    that is the beginning of a value, so a prompt is never held. `flush` gives out what is left in the end.
    Where several values fit, the first in the text is masked, and of those the longest.
    """

    def __init__(self, output: _Output, values: Iterable[bytes]) -> None:
        self._output = output
        self._values = sorted(forms_of(values), key=lambda value: (-len(value), value))
        self._any = re.compile(b"|".join(map(re.escape, self._values))) if self._values else None
        self._held = {1: b"", 2: b""}

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole. Raises OSError as the output behind does."""
        if self._any is None:
            self._output.write(stream, views)
            return
        held = self._held[stream]
        data = b"".join((held, *views)) if held or len(views) != 1 else bytes(views[0])
        found = any(value in data for value in self._values)
        if not found and not self._begun(data, 0):
            self._held[stream] = b""
            self._give(stream, data)
            return
        given, done = self._masked(data) if found else (b"", 0)
        kept = self._begun(data, done)
        end = len(data) - kept
        self._held[stream] = data[end:]
        self._give(stream, given + data[done:end])

    def flush(self) -> None:
        """Nothing more will come: what was held back isn't the whole of a value, but may have one in it.

        Where nobody can take it any more, that was told before, or doesn't matter now.
        """
        for stream, held in self._held.items():
            if held and self._any:
                self._held[stream] = b""
                with suppress(OSError):
                    self._give(stream, self._any.sub(MASK, held))

    def _give(self, stream: int, data: bytes) -> None:
        if data:
            self._output.write(stream, [memoryview(data)])

    def _masked(self, data: bytes) -> tuple[bytes, int]:
        """`data` up to its last value that nothing to come can change, masked; and where that ends.

        It can only where the end of `data`, from the value's start or before it on, is the
        beginning of a longer one.
        """
        assert self._any
        pieces: list[bytes] = []
        done, begun = 0, len(data) - self._begun(data, 0)
        for match in self._any.finditer(data):
            if begun < done:
                begun = len(data) - self._begun(data, done)
            if match.start() >= begun:
                break
            pieces += (data[done : match.start()], MASK)
            done = match.end()
        return b"".join(pieces), done

    def _begun(self, data: bytes, start: int) -> int:
        """The length of the longest end of `data`, behind `start`, that begins a value without being it."""
        begun = 0
        for value in self._values:  # the longest first
            if len(value) - 1 <= begun:
                break
            begun = max(begun, _overlap(data, value, max(start, len(data) - len(value) + 1)))
        return begun


def _overlap(data: bytes, value: bytes, start: int) -> int:
    """The length of the longest end of `data`, from `start` on, that begins `value`."""
    beginning = value[:_BEGINNING]
    place = data.find(beginning, start)
    while place >= 0:
        if value.startswith(data[place:]):
            return len(data) - place
        place = data.find(beginning, place + 1)
    for place in range(max(start, len(data) - _BEGINNING + 1), len(data)):
        if value.startswith(data[place:]):
            return len(data) - place
    return 0


def forms_of(values: Iterable[bytes]) -> set[bytes]:
    """What is looked for: each value without the newline at its end, its lines, and as a terminal has it."""
    forms: set[bytes] = set()
    for value in values:
        whole = value.rstrip(b"\r\n")
        lines = [line.rstrip(b"\r") for line in whole.split(b"\n")]
        forms |= {whole, b"\n".join(lines), b"\r\n".join(lines)}
        forms |= {line for line in lines if len(line) >= _SHORTEST_LINE}
    return forms - {b""}
