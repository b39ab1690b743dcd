"""How much a layer is when it is unpacked: asked before an engine gets one that a stranger made.

gzip is unpacked for it, and nothing of that is kept. zstd isn't, since Python can't before 3.14; but each of
its blocks says how large it may become at most (RFC 8878, section 3.1.1.2.3).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 20  # bytes that are unpacked at a time
_BLOCK = 128 << 10  # bytes that a compressed block of zstd becomes at most
_RAW, _RLE, _COMPRESSED = 0, 1, 2


def unpacked_size(chunks: Iterable[bytes], limit: int) -> int:
    """Bytes of a layer without its compression; for zstd no less than that, up to ten times as many where it
    took its time. What is over `limit` isn't counted to its end. Raises ValueError where it is damaged.
    """
    stream = _Stream(iter(chunks))
    start = stream.peek(4)
    if start[:2] == _GZIP:
        return _within(_gzip(stream), limit)
    if start == _ZSTD:
        return _within(_zstd(stream), limit)
    return _within(map(len, stream.rest()), limit)


class _Stream:
    """Chunks, read by count."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, less at the end; they stay."""
        while len(self._held) < count and (chunk := next(self._chunks, None)) is not None:
            self._held += chunk
        return self._held[:count]

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises ValueError where there are less."""
        found = self.peek(count)
        if len(found) < count:
            raise ValueError("a layer's compression is cut short")
        self._held = self._held[count:]
        return found

    def skip(self, count: int) -> None:
        """Passes over `count` bytes. Raises ValueError where there are less."""
        while count:
            part = min(count, _PIECE)
            self.take(part)
            count -= part

    def rest(self) -> Iterator[bytes]:
        """All that follows."""
        yield self._held
        yield from self._chunks


def _within(sizes: Iterable[int], limit: int) -> int:
    total = 0
    for size in sizes:
        total += size
        if total > limit:
            break
    return total


def _gzip(stream: _Stream) -> Iterator[int]:
    """RFC 1952: one member after the other; zeros that fill a block up may follow."""
    unpacker = zlib.decompressobj(31)
    try:
        for data in stream.rest():
            while data:
                if unpacker.eof:
                    if not data.strip(b"\0"):
                        break
                    unpacker = zlib.decompressobj(31)
                yield len(unpacker.decompress(data, _PIECE))
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof and (held := unpacker.decompress(b"", _PIECE)):
            yield len(held)
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
