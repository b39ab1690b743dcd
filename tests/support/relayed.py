"""An engine's socket as a TCP port of this machine, which buildbox takes for an engine elsewhere."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Relay:
    """A port that leads to a socket, counts what passes, and can be cut."""

    def __init__(self, server: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._server, self._connect = server, connect
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.lets_in = True
        self.sent = 0  # bytes to the engine
        self.cuts_after = b""  # a request with this in it comes to the engine, its answer to nobody
        self._mute = False

    @property
    def url(self) -> str:
        """The port's address."""
        return f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def cut(self, *, lets_in: bool) -> None:
        """Breaks all connections at once, as a machine between does that starts anew."""
        self.lets_in = lets_in
        with self._lock:
            for end in self._open:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def accept(self) -> None:
        """Takes connections until the server is shut down."""
        while True:
            try:
                ours, _ = self._server.accept()
            except OSError:
                return
            if not self.lets_in:
                ours.close()
                continue
            theirs = self._connect()
            with self._lock:
                self._open |= {ours, theirs}
            for source, sink in ((ours, theirs), (theirs, ours)):
                work = (source, sink, sink is theirs)
                threading.Thread(target=self._forward, args=work, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counts and self.cuts_after and self.cuts_after in data:
                    self.cuts_after, self._mute = b"", True
                if counts or not self._mute:
                    sink.sendall(data)
                self.sent += len(data) if counts else 0
                if counts and self._mute:
                    time.sleep(0.5)  # in which the engine does it
                    self.cut(lets_in=True)
                    self._mute = False
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(engine: Path) -> Iterator[Relay]:
    """A new port that leads to the socket `engine`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Relay(server, lambda: _connected(engine))
        threading.Thread(target=found.accept, daemon=True).start()
        yield found
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(engine: Path) -> Iterator[str]:
    """The address of such a port."""
    with relay(engine) as found:
        yield found.url


def _connected(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.connect(str(path))
    return found


def main(path: str, port: str) -> None:
    """The other way round: a socket `path` that leads to a port; for another network than the test's."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(50)
        Relay(server, lambda: socket.create_connection(("127.0.0.1", int(port)))).accept()


if __name__ == "__main__":
    main(*sys.argv[1:])
