"""An engine's socket as a TCP port of this machine, which buildbox takes for an engine elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def relayed(engine: Path) -> Iterator[str]:
    """The address of a new port that leads to the socket `engine`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, engine), daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, engine: Path) -> None:
    while True:
        try:
            ours, _ = server.accept()
        except OSError:
            return  # it was shut down
        theirs = socket.socket(socket.AF_UNIX)
        theirs.connect(str(engine))
        for source, sink in ((ours, theirs), (theirs, ours)):
            threading.Thread(target=_forward, args=(source, sink), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
