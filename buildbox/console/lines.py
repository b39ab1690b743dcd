"""Output of many steps on one descriptor, a line at a time, each with its step's name in front."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

LONGEST = 1 << 16  # bytes of a line; what is longer goes on in the next one
_REDRAWN = re.compile(rb"[^\n]*\r+(?=[^\r\n])")  # what a progress bar has drawn over since
_ENDS = re.compile(rb"\r+\n")


class Lines:
    """Makes whole, prefixed lines of one stream of a step's output. A line is given on when it has ended."""

    def __init__(self, prefix: bytes, give: Callable[[bytes], None]) -> None:
        self._prefix = prefix
        self._next = b"\n" + prefix
        self._give = give
        self._held: list[bytes] = []  # the line that hasn't ended yet
        self._size = 0

    def write(self, views: Sequence[memoryview]) -> None:
        """More output. Raises OSError as `give` does."""
        data = bytes(views[0]) if len(views) == 1 else b"".join(views)
        end = data.rfind(b"\n") + 1
        if end:
            self._emit(b"".join([*self._held, data[:end] if end < len(data) else data]))
            self._held, self._size = [], 0
            data = data[end:]
        if data:
            self._hold(data)

    def flush(self) -> None:
        """The output has ended: what is left is a line, too."""
        if self._held:
            held, self._held, self._size = [*self._held, b"\n"], [], 0
            self._emit(b"".join(held))

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if b"\r" in data or self._size > LONGEST or len(self._held) > 1000:
            line = b"".join(self._held)
            line = _REDRAWN.sub(b"", line) if b"\r" in line else line
            while len(line) > LONGEST:
                self._emit(line[:LONGEST] + b"\n")
                line = line[LONGEST:]
            self._held, self._size = [line], len(line)

    def _emit(self, lines: bytes) -> None:
        if b"\r" in lines:
            lines = _ENDS.sub(b"\n", _REDRAWN.sub(b"", lines))
        self._give(self._prefix + lines[:-1].replace(b"\n", self._next) + b"\n")
