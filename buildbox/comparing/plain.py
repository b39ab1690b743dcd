"""Where two files begin to differ, and what is there: a line of text, or bytes."""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import IO

from buildbox.comparing.finding import printable, shortened
from buildbox.comparing.limits import CHUNK, Budget

_AROUND = 4096  # bytes before and behind the place that are looked at
_BYTES = 8  # that are shown
_WIDTH = 100  # characters of a line that are shown
_CONTINUED = bytes(range(0x80, 0xC0))  # UTF-8, but for the first byte of a character


def first_difference(left: IO[bytes], right: IO[bytes], budget: Budget) -> tuple[int, int] | None:
    """The first byte that differs, and the line that it is in (from 1); None where all are the same.

    Raises TooMuch.
    """
    left.seek(0)
    right.seek(0)
    offset, line = 0, 1
    while True:
        budget.spend()
        one, other = left.read(CHUNK), right.read(CHUNK)
        if one != other:
            at = _common(one, other)
            return offset + at, line + one.count(b"\n", 0, at)
        if not one:
            return None
        offset += len(one)
        line += one.count(b"\n")


def describe(left: IO[bytes], right: IO[bytes], offset: int, line: int) -> str:
    """What the files have at the first byte that differs, in words."""
    start = max(0, offset - _AROUND)
    old, new = _read(left, start), _read(right, start)
    at = offset - start
    sizes = [file.seek(0, 2) for file in (left, right)]
    if offset in sizes:
        how = "ends" if sizes[1] < sizes[0] else "goes on"
        return f"{how} at byte {offset}: {sizes[1]} bytes instead of {sizes[0]}"
    if _is_text(old) and _is_text(new):
        return f"line {line}: {_line(new, at)} instead of {_line(old, at)}"
    shown = [data[at : at + _BYTES].hex(" ") for data in (new, old)]
    return f"byte {offset} (0x{offset:x}): {shown[0]} instead of {shown[1]}"


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the start of both are the same; by halves, since a loop takes long."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read(file: IO[bytes], start: int) -> bytes:
    file.seek(start)
    return file.read(2 * _AROUND)


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:  # what is cut off at both ends may be the middle of a character
        getincrementaldecoder("utf-8")().decode(data.lstrip(_CONTINUED))
    except UnicodeDecodeError:
        return False
    return True


def _line(data: bytes, at: int) -> str:
    """The line that the byte is in; from a little before the byte where it is a long one."""
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    text = data[max(start, at - _WIDTH // 2) : end if end >= 0 else len(data)].decode(errors="replace")
    return f'"{shortened(printable(text), _WIDTH)}"'
