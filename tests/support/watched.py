"""The tests' engine behind a socket of our own, which notes every request on its way."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.project import DOCKER_SOCKET

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) /(?:v[0-9.]+/)?(\S*) HTTP/1\.1\r\n")


@dataclass(frozen=True)
class WatchedEngine:
    """An engine, and what it was asked: `POST containers/create?…`."""

    socket: Path
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"unix://{self.socket}"

    @property
    def changes(self) -> list[str]:
        """The requests that weren't mere questions."""
        return [request for request in self.asked if not request.startswith(_QUESTIONS)]

    @property
    def left(self) -> int:
        """Containers that were made and not removed, where no request for one failed."""
        made = [request for request in self.changes if request.startswith("POST containers/create")]
        removed = [request for request in self.asked if request.startswith("DELETE containers/")]
        return len(made) - len(removed)


# The last asks whether the engine sees a path; nothing is made.
_QUESTIONS = ("GET ", "HEAD ", "POST containers/create?name=buildbox-sight-")


@contextmanager
def watched_engine() -> Iterator[WatchedEngine]:
    """The engine behind a new socket, which every user may use, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder:  # a socket's path must be short
        Path(folder).chmod(0o755)
        engine = WatchedEngine(Path(folder) / "engine.sock")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(engine.socket))
            engine.socket.chmod(0o666)
            server.listen()
            threading.Thread(target=_accept, args=(server, engine), daemon=True).start()
            yield engine
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, engine: WatchedEngine) -> None:
    while True:
        try:
            ours, _ = server.accept()
        except OSError:
            return  # it was shut down
        theirs = socket.socket(socket.AF_UNIX)
        theirs.connect(str(DOCKER_SOCKET))
        for source, sink, asked in ((ours, theirs, engine.asked), (theirs, ours, None)):
            threading.Thread(target=_forward, args=(source, sink, asked), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket, asked: list[str] | None) -> None:
    try:
        while data := source.recv(1 << 16):
            if asked is not None:
                found = _REQUEST.findall(data)  # the client sends each request's head in one piece
                asked.extend(f"{method.decode()} {path.decode()}" for method, path in found)
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has gone already
