"""A container's streams over one connection, as the engine API's "Attach to a container" multiplexes them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any

from buildbox.errors import EngineError

_BUFFER = 1 << 18  # bytes read from an attached container at a time
_UNREAD = 4096  # bytes of stdin that an engine surely takes; else its end may look like a broken connection
FRAME = struct.Struct(">BxxxL")  # stream, length: the engine API's "Attach to a container"


class Attached:
    """An attached container: the engine API's multiplexed stream, or a tty's plain one."""

    def __init__(self, raw: Any, tty: bool) -> None:
        self._raw = raw  # the response hangs on it; it must outlive the socket
        self._socket: socket.socket = getattr(raw, "_sock", raw)
        self._socket.settimeout(None)
        self._tty = tty
        self._buffer = bytearray(_BUFFER)
        self._filled = 0  # bytes of the buffer that hold unread input
        self._start = 0
        self._stream = 1
        self._left = 0  # bytes of the current frame still to come
        self._written = 0

    def read(self) -> tuple[int, Sequence[memoryview]] | None:
        while True:
            if self._start == self._filled and not self._receive():
                return None
            if self._tty:
                view = memoryview(self._buffer)[self._start : self._filled]
                self._start = self._filled
                return 1, [view]
            views = self._frames()
            if views:
                return self._stream, views
            if not self._receive():
                return None

    def write(self, data: bytes) -> None:
        self._written += len(data)
        self._socket.sendall(data)

    def close_stdin(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._raw.close()
        self._socket.close()  # now; else when the response is collected as garbage

    def _receive(self) -> bool:
        """Reads more behind what is unread, which moves to the front first. False at the end."""
        unread = self._filled - self._start
        if self._start:
            self._buffer[:unread] = self._buffer[self._start : self._filled]
        self._start, self._filled = 0, unread
        try:
            count = self._socket.recv_into(memoryview(self._buffer)[unread:])
        except OSError as error:
            if not (isinstance(error, ConnectionError) and self._written > _UNREAD):
                raise broken(error.strerror or str(error)) from None
            count = 0
        if not count and (unread or self._left):
            raise broken("it ended in the middle of a message")
        self._filled += count
        return count > 0

    def _frames(self) -> list[memoryview]:
        """The payloads of all frames of one stream that stand next in the buffer."""
        views: list[memoryview] = []
        whole = memoryview(self._buffer)
        while self._start < self._filled:
            if not self._left:
                if self._filled - self._start < FRAME.size:
                    break
                stream, length = FRAME.unpack_from(self._buffer, self._start)
                if views and stream != self._stream:
                    break
                self._stream, self._left = stream, length
                self._start += FRAME.size
            size = min(self._left, self._filled - self._start)
            if size:
                views.append(whole[self._start : self._start + size])
            self._start += size
            self._left -= size
        return views


def broken(why: str) -> EngineError:
    """The error for output that can't be had to its end."""
    return EngineError(
        f"the connection that brings the task's output broke: {why}",
        "Run it again when the engine can be reached; `buildbox doctor` checks that.",
    )
