"""How much a layer is when it is unpacked: asked before an engine gets one that a stranger made.

gzip is unpacked for it, and nothing of that is kept. zstd isn't, since Python can't before 3.14; but each of
its blocks says how large it may become at most (RFC 8878, section 3.1.1.2.3).

The tar in it is looked through for sparse files (GNU tar's manual, "Storing Sparse Files"): engines write
their holes as zeros, so a header of 2 KB would fill a disk. Of zstd nobody sees the tar here.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Iterator

from buildbox.trees.tar import BLOCK, padding

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 20  # bytes that are unpacked at a time
_BLOCK = 128 << 10  # bytes that a compressed block of zstd becomes at most
_RAW, _RLE, _COMPRESSED = 0, 1, 2
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_BARE = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
_MAX_PAX = 1 << 20  # bytes of a pax header; engines take no more


def unpacked_size(chunks: Iterable[bytes], limit: int) -> int:
    """Bytes of a layer without its compression; for zstd no less than that, up to ten times as many where it
    took its time. What is over `limit` isn't counted to its end. Raises ValueError where it is damaged,
    or has a sparse file.
    """
    stream = _Stream(iter(chunks))
    start = stream.peek(4)
    if start[:2] == _GZIP:
        return _looked_through(_gzip(stream), limit)
    if start == _ZSTD:
        return _within(_zstd(stream), limit)
    return _looked_through(stream.rest(), limit)


class _Stream:
    """Chunks, read by count."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held, self._at = b"", 0

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, less at the end; they stay."""
        while len(self._held) - self._at < count and (chunk := next(self._chunks, None)) is not None:
            self._held, self._at = self._held[self._at :] + chunk, 0
        return self._held[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises ValueError where there are less."""
        found = self.peek(count)
        if len(found) < count:
            raise ValueError("a layer's compression is cut short, or its tar")
        self._at += count
        return found

    def skip(self, count: int) -> None:
        """Passes over `count` bytes. Raises ValueError where there are less."""
        while count:
            part = min(count, _PIECE)
            self.take(part)
            count -= part

    def rest(self) -> Iterator[bytes]:
        """All that follows."""
        yield self._held[self._at :]
        yield from self._chunks


def _within(sizes: Iterable[int], limit: int) -> int:
    total = 0
    for size in sizes:
        total += size
        if total > limit:
            break
    return total


def _looked_through(pieces: Iterable[bytes], limit: int) -> int:
    """The bytes of a tar, as far as the limit; what is behind its end counts, too."""
    total = 0

    def counted() -> Iterator[bytes]:
        nonlocal total
        for piece in pieces:
            total += len(piece)
            if total > limit:
                return
            yield piece

    stream = _Stream(counted())
    try:
        _look_through(stream)
    except ValueError:
        if total <= limit:  # else it is the limit that cut it
            raise
    for _ in stream.rest():
        pass
    return total


def _look_through(stream: _Stream) -> None:
    said = None  # the size of the next file, by the pax header before it
    while stream.peek(1) and any(block := stream.take(BLOCK)):
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise ValueError(f"a layer is no tar: {error}") from None
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise ValueError("a layer has a sparse file")
        size = 0 if member.type in _BARE else member.size
        if member.type in _PAX:
            if not 0 <= size <= _MAX_PAX:
                raise ValueError(f"a layer has a header of {size} bytes")
            said = _said_size(stream.take(size), said)
        elif member.type not in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            size, said = size if said is None or member.type in _BARE else said, None
        if size < 0:
            raise ValueError("a layer has a file of less than no bytes")
        stream.skip((0 if member.type in _PAX else size) + len(padding(size)))


def _said_size(records: bytes, before: int | None) -> int | None:
    """What a pax header says of the size of the file behind it; else `before`."""
    if b"GNU.sparse." in records:
        raise ValueError("a layer has a sparse file")
    said = before
    while records.strip(b"\0"):
        length = records.partition(b" ")[0]
        if not length.isdigit() or not len(length) + 2 < int(length[:8]) <= len(records):
            raise ValueError("a layer has a header that can't be read")
        key, _, value = records[len(length) + 1 : int(length[:8]) - 1].partition(b"=")
        if key == b"size":
            if not value.isdigit() or len(value) > 19:
                raise ValueError("a layer has a header that can't be read")
            said = int(value)
        records = records[int(length[:8]) :]
    return said


def _gzip(stream: _Stream) -> Iterator[bytes]:
    """RFC 1952: one member after the other; zeros that fill a block up may follow."""
    unpacker = zlib.decompressobj(31)
    try:
        for data in stream.rest():
            while data:
                if unpacker.eof:
                    if not data.strip(b"\0"):
                        break
                    unpacker = zlib.decompressobj(31)
                yield unpacker.decompress(data, _PIECE)
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof and (held := unpacker.decompress(b"", _PIECE)):
            yield held
    except zlib.error as error:
        raise ValueError(f"a layer's compression is damaged: {error}") from None
    if not unpacker.eof:
        raise ValueError("a layer's compression is cut short")


def _zstd(stream: _Stream) -> Iterator[int]:
    while start := stream.peek(4):
        if start[1:] == b"\x2a\x4d\x18" and start[0] >> 4 == 5:  # section 3.1.2, "Skippable Frames"
            stream.take(4)
            stream.skip(int.from_bytes(stream.take(4), "little"))
        elif start == _ZSTD:
            yield from _frame(stream)
        else:
            raise ValueError("a layer's compression is damaged: no frame of zstd begins where one should")


def _frame(stream: _Stream) -> Iterator[int]:
    """Section 3.1.1: the header, blocks, and a checksum."""
    stream.take(4)
    described = stream.take(1)[0]
    single = described >> 5 & 1
    content = (1 if single else 0, 2, 4, 8)[described >> 6]
    stream.take((0 if single else 1) + (0, 1, 2, 4)[described & 3] + content)
    last = 0
    while not last:
        block = int.from_bytes(stream.take(3), "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        if kind not in (_RAW, _RLE, _COMPRESSED):
            raise ValueError("a layer's compression is damaged: a block of zstd is of no kind")
        stream.skip(1 if kind == _RLE else size)
        yield _BLOCK if kind == _COMPRESSED else size
    if described >> 2 & 1:
        stream.take(4)
