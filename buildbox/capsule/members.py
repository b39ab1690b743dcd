"""The members of a capsule's tar, read once from front to end, whoever made it.

Written by hand rather than with tarfile, which reads headers of any size into memory, follows what sparse
files claim and passes over what it doesn't know. Here all that isn't a plain file with a name and a size is
refused (POSIX.1-2017, pax, sections "ustar Interchange Format" and "pax Extended Header").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from tarfile import REGTYPE
from typing import BinaryIO

from buildbox.digest import CHUNK
from buildbox.trees.tar import BLOCK, END, header, padding

_SIZE = re.compile(rb"[0-7]{11}")
_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_RECORD = re.compile(rb"(\d+) size=(\d{10,19})\n")  # beyond the 8 GiB that ustar can say
_KINDS = {b"1": "a hard link", b"2": "a link", b"5": "a folder", b"S": "a sparse file"}


class Malformed(ValueError):
    """It isn't a capsule's tar; the text says why."""


@dataclass(frozen=True)
class Member:
    """A plain file of the tar. `chunks` is to be read to its end before the next member."""

    name: str
    size: int  # bytes
    chunks: Iterator[bytes]


def read_members(file: BinaryIO) -> Iterator[Member]:
    """All members; the tar ends where the file does. Raises Malformed, OSError."""
    while True:
        name, size = _read_header(file)
        if not name:
            return
        rest = [size]
        yield Member(name, size, _content(file, name, rest))
        if rest[0]:
            raise AssertionError("a member wasn't read to its end")
        filling = padding(size)
        if _read(file, len(filling)) != filling:
            raise Malformed(f"there is something behind {name} that belongs to no file")


def plain_header(name: str, size: int) -> bytes:
    """The header of a plain file, as a capsule has it."""
    return header(name, REGTYPE, 0o644, size, 0, (0, 0))


def _read_header(file: BinaryIO) -> tuple[str, int]:
    """Name and size of the next member; "" at the end."""
    block = _read(file, BLOCK)
    if block == END[:BLOCK]:
        if _read(file, BLOCK) != END[:BLOCK]:
            raise Malformed("it doesn't end as a tar does")
        if file.read(1):
            raise Malformed("there is something behind its end")
        return "", 0
    whole, size = block, -1
    if block[156:157] == b"x":
        extended = _read(file, BLOCK)
        whole += extended + (block := _read(file, BLOCK))
        record = _RECORD.match(extended)
        size = int(record[2]) if record else -1
    elif _SIZE.fullmatch(block[124:135]):
        size = int(block[124:135], 8)
    name = block[:100].rstrip(b"\0").decode("ascii", "replace")
    if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise Malformed(f"it has a member with a name that no capsule has: {name!r}")
    kind = _KINDS.get(block[156:157])
    if kind:
        raise Malformed(f"{name} is {kind}, where only plain files are")
    if size < 0 or plain_header(name, size) != whole:
        raise Malformed(f"the header of {name} isn't one that a capsule has")
    return name, size


def _content(file: BinaryIO, name: str, rest: list[int]) -> Iterator[bytes]:
    while rest[0]:
        data = file.read(min(CHUNK, rest[0]))
        if not data:
            raise Malformed(f"it is cut short, in the middle of {name}")
        rest[0] -= len(data)
        yield data


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise Malformed("it is cut short")
    return data
