"""How much is looked into: files may be anybody's, and made to take all memory, disk or time."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Protocol

CHUNK = 1 << 18  # bytes read at a time


class TooMuch(Exception):
    """A limit is reached; its words say which."""


class Readable(Protocol):
    """What content comes from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass
class Budget:
    """What one comparison may take, all archives in archives together."""

    seconds: float = 120
    unpacked: int = 32 << 30  # bytes
    spooled: int = 4 << 30  # bytes of them that come to the disk
    members: int = 200_000
    findings: int = 20  # that name what differs; more aren't looked for
    depth: int = 8  # archives in archives, compression counted
    _began: float = field(default_factory=time.monotonic)

    def spend(self, unpacked: int = 0, spooled: int = 0, members: int = 0) -> None:
        """Raises TooMuch where it is more than is left."""
        self.unpacked -= unpacked
        self.spooled -= spooled
        self.members -= members
        if self.unpacked < 0 or self.spooled < 0:
            raise TooMuch("it unpacks to too much")
        if self.members < 0:
            raise TooMuch("it has too many members")
        if time.monotonic() - self._began > self.seconds:
            raise TooMuch("it takes too long")


class Guarded(io.RawIOBase):
    """A file whose readers believe what it says of sizes: they get at most `headers` bytes at once."""

    def __init__(self, file: IO[bytes], headers: int) -> None:
        self._file, self._headers = file, headers
        self._left: int | None = None

    def limit(self, *, on: bool) -> None:
        """From now on (or no more) what is read are the headers of one member."""
        self._left = self._headers if on else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size > self._headers:
            raise TooMuch("its headers are too long")
        data = self._file.read(size if size >= 0 else self._headers + 1)
        if self._left is not None:
            self._left -= len(data)
        if len(data) > self._headers or (self._left is not None and self._left < 0):
            raise TooMuch("its headers are too long")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def spool(source: Readable, budget: Budget) -> Iterator[IO[bytes]]:
    """All that comes from `source`, in a file without a name. Raises TooMuch."""
    with TemporaryFile() as file:
        while data := source.read(CHUNK):
            budget.spend(unpacked=len(data), spooled=len(data))
            file.write(data)
        yield file
