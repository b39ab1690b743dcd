"""The last line of a running step's output, as one that can't do anything to a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildbox.console.text import ESCAPES, printable

_KEPT = 4096  # bytes


class LastLine:
    """An Output that remembers the end of what it is given."""

    def __init__(self) -> None:
        self._end = b""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Takes everything, quickly."""
        last = views[-1] if views else memoryview(b"")
        if len(last) >= _KEPT:
            self._end = bytes(last[-_KEPT:])
        else:
            self._end = b"".join((self._end, *views))[-_KEPT:]

    def text(self) -> str:
        """The last line that shows something, without control characters."""
        return last_line(self._end)


def last_line(output: bytes) -> str:
    """The last line of `output` that shows something, as printable characters only.

    What was drawn over behind a carriage return isn't there any more.
    """
    text = ESCAPES.sub("", output.decode(errors="replace"))
    for line in reversed(re.split(r"[\n\r\v\f\x85\u2028\u2029]", text)):
        shown = printable(line)
        if shown.strip():
            return shown.rstrip()
    return ""
