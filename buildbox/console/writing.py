"""Bytes to the caller's stdout and stderr."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence


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


def to_stderr(text: str) -> None:
    """A text for the person; one that nobody is there to read is no fault."""
    try:
        write_all(2, [memoryview(text.encode(errors="backslashreplace"))])
    except OSError:
        pass
