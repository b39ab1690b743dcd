"""A step's output as frames: what was written to which stream, in order, in one file.

The format is the raw stream of the engine's API (Docker Engine API, "Attach to a container", Stream format):
a header of 8 bytes (1 or 2 for stdout or stderr, three zero bytes, the payload's length as a big-endian
number), then the payload.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from buildbox.capped import CAP, RECORD, Capped
from buildbox.spool import open_spool

_HEADER = struct.Struct(">BxxxL")
_LARGEST = 64 << 20  # bytes; more than any frame that is written here
_READ = 1 << 18


class Sink(Protocol):
    """Where output goes, as `execute.Output` has it."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole."""


def write_frame(write: Callable[[bytes], object], stream: int, data: bytes) -> None:
    """One frame of stream 1 or 2, given to `write` (a file's) in one piece."""
    write(_HEADER.pack(stream, len(data)) + data)


def read_frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Stream and payload of each frame of a file that comes in `chunks`.

    Raises ValueError where it is damaged.
    """
    held = bytearray()
    for chunk in chunks:
        held += chunk
        start = 0
        while len(held) - start >= _HEADER.size:
            stream, length = _HEADER.unpack_from(held, start)
            if stream not in (1, 2) or held[start + 1 : start + 4] != b"\0\0\0" or length > _LARGEST:
                raise ValueError("no log of a step's output: a frame begins with unknown bytes")
            end = start + _HEADER.size + length
            if len(held) < end:
                break
            yield stream, bytes(held[start + _HEADER.size : end])
            start = end
        del held[:start]
    if held:
        raise ValueError("no whole log of a step's output: its last frame is cut off")


def replay(source: Path | Iterable[bytes], output: Sink) -> None:
    """Writes the frames of a file, or of its bytes in pieces, to `output`. Raises ValueError, OSError."""
    for stream, data in read_frames(_pieces(source) if isinstance(source, Path) else source):
        if data:
            output.write(stream, [memoryview(data)])


def left_out(count: int) -> bytes:
    """The line that stands for `count` bytes in the middle of a log that was too long."""
    return b"\nbuildbox: %d bytes of output are left out here\n" % count


class FrameLog:
    """An Output that keeps what it is given in the file `path`, as frames, but for the middle of too much.

    `close` completes the file. The methods raise OSError.
    """

    def __init__(self, path: Path, cap: int = CAP) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._capped = Capped(self._descriptor, lambda: open_spool(path.parent), cap)
        self._size = min(RECORD, max(cap // 16, 1)) - _HEADER.size
        self._stream = 1
        self._held = bytearray()  # small writes in a row to the same stream share a frame
        self._open = True

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole."""
        if stream != self._stream:
            self._flush()
            self._stream = stream
        for view in views:
            if not self._held and len(view) >= self._size:  # large ones aren't copied
                whole = len(view) - len(view) % self._size
                for start in range(0, whole, self._size):
                    self._append(view[start : start + self._size])
                self._held += view[whole:]
            else:
                self._held += view
            if len(self._held) >= self._size:
                self._flush(len(self._held) // self._size * self._size)

    def close(self) -> None:
        """The file is complete."""
        if not self._open:
            return
        self._open = False
        try:
            self._flush()
            self._capped.finish(_note_frame)
        finally:
            self._capped.close()
            os.close(self._descriptor)

    def _flush(self, end: int | None = None) -> None:
        held, self._held = bytes(self._held[:end]), self._held[end:] if end else bytearray()
        for start in range(0, len(held), self._size):
            self._append(memoryview(held)[start : start + self._size])

    def _append(self, data: memoryview) -> None:
        self._capped.append([_HEADER.pack(self._stream, len(data)), data], len(data))


def _note_frame(count: int) -> Sequence[bytes]:
    text = left_out(count)
    return [_HEADER.pack(2, len(text)), text]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_READ):
            yield data
