"""A file that is another one, compressed: gzip (RFC 1952), bzip2, xz."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from buildbox.comparing.finding import COMPRESSION, FORM, MTIME, date
from buildbox.comparing.limits import CHUNK, Budget
from buildbox.comparing.members import Fact

_GZIP = b"\x1f\x8b\x08"
_XZ = b"\xfd7zXZ\x00"
_BZIP2 = b"BZh"
_MEMORY = 256 << 20  # bytes that xz may take: four times what its highest level does
_NAME = 1024  # bytes of gzip's header that are looked at
_EXTRA, _HAS_NAME = 4, 8  # gzip's flags


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Unpacked:
    """What comes out of a compressed file, a piece at a time; of several streams in a row, too."""

    def __init__(self, file: IO[bytes], make: Callable[[], _Decompressor], budget: Budget) -> None:
        file.seek(0)
        self._file, self._make, self._budget = file, make, budget
        self._now = make()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises EOFError, TooMuch, and what the decompressors raise."""
        while True:
            self._budget.spend()  # there may be any number of streams with nothing in them
            if self._now.eof:
                self._rest = self._now.unused_data or self._file.read(CHUNK)
                if not self._rest.strip(b"\0"):
                    return b""
                self._now = self._make()
            if self._now.needs_input and not self._rest:
                self._rest = self._file.read(CHUNK)
                if not self._rest:
                    raise EOFError("it is cut short")
            data, self._rest = self._now.decompress(self._rest, size), b""
            if data:
                return data


class _Gzip:
    """zlib's decompressor as bz2 and lzma have theirs."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def find_compression(file: IO[bytes]) -> tuple[str, Callable[[], _Decompressor]] | None:
    """The compression's name, and what undoes it; None where the file's first bytes are of none of these."""
    file.seek(0)
    start = file.read(8)
    if start.startswith(_GZIP):
        return "gzip", _Gzip
    if start.startswith(_BZIP2):
        return "bzip2", bz2.BZ2Decompressor
    if start.startswith(_XZ):
        return "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    return None


def header_facts(file: IO[bytes]) -> Iterator[Fact]:
    """What gzip's header says of the file in it; the others' say nothing."""
    file.seek(0)
    header = file.read(_NAME)
    if not header.startswith(_GZIP) or len(header) < 10:
        return
    flags, extra_flags, system = header[3], header[8], header[9]
    yield Fact(MTIME, "gzip's time", date(int.from_bytes(header[4:8], "little")))
    at = 10 + (2 + int.from_bytes(header[10:12], "little") if flags & _EXTRA else 0)
    name = header[at:].partition(b"\0")[0].decode("latin-1") if flags & _HAS_NAME else ""
    yield Fact(FORM, "gzip's file name", name or "none")
    yield Fact(COMPRESSION, "gzip's level", {2: "best", 4: "fastest"}.get(extra_flags, "usual"))
    yield Fact(FORM, "gzip's system", str(system))
    yield Fact(FORM, "gzip's flags", f"{flags:#04x}")
