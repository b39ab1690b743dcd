"""A registry in this process that misbehaves as told, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from buildbox.digest import Digest
from tests.support.images import MadeImage


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""


class Call(BaseHTTPRequestHandler):
    """One connection; rules get it to answer a request in their own way."""

    protocol_version = "HTTP/1.1"
    registry: FaultyRegistry

    def do_GET(self) -> None:
        self.registry.handle(self)

    def do_POST(self) -> None:
        self.registry.handle(self)

    def do_HEAD(self) -> None:
        self.registry.handle(self)

    def do_DELETE(self) -> None:
        self.registry.handle(self)

    def do_PUT(self) -> None:
        self.registry.handle(self)

    def log_message(self, *args: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; in header names `_` stands for `-`."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        """Ends the connection without another word."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away, or are killed, are what the tests are about."""


Rule = Callable[[Call], bool]  # answers and says True, or leaves the request to the next


@dataclass
class FaultyRegistry:
    """Serves one image in any repository, after `rules` had their chance."""

    host: str
    image: MadeImage
    rules: list[Rule] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, call: Call) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in call.headers.items()}
        with self.lock:
            self.asked.append(Asked(call.command, call.path, headers, body))
        try:
            if not any(rule(call) for rule in self.rules):
                self.serve(call)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def requests(self, part: str) -> list[Asked]:
        """Those whose path has `part` in it."""
        return [asked for asked in self.asked if part in asked.path]

    def serve(self, call: Call) -> None:
        """The right answer."""
        if call.path == "/v2/":
            return call.reply(200)
        name = call.path.partition("?")[0].rpartition("/")[2]
        if "/manifests/" in call.path:
            digest = self.image.digest if not name.startswith("sha256:") else Digest.parse(name)
            if digest in self.image.manifests:
                media_type, data = self.image.manifests[digest]
                return call.reply(200, data, Content_Type=media_type)
        elif "/blobs/" in call.path and Digest.parse(name) in self.image.blobs:
            data = self.image.blobs[Digest.parse(name)]
            start = range_start(call)
            if start:
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                return call.reply(206, data[start:], Content_Range=span)
            return call.reply(200, data)
        return call.reply(404, b'{"errors":[{"code":"NOT_FOUND","message":"no such thing here"}]}')


def range_start(call: Call) -> int:
    text = call.headers.get("Range", "")
    return int(text.removeprefix("bytes=").partition("-")[0]) if text else 0


Kind = TypeVar("Kind", bound=FaultyRegistry)


@contextmanager
def run_faulty(image: MadeImage, *rules: Rule, address: str = "127.0.0.1") -> Iterator[FaultyRegistry]:
    """The registry, listening on a free port until the end of the block."""
    with run_kind(FaultyRegistry, image, rules, address) as registry:
        yield registry


@contextmanager
def run_kind(
    kind: type[Kind], image: MadeImage, rules: Sequence[Rule], address: str = "127.0.0.1"
) -> Iterator[Kind]:
    """A registry of this kind."""
    call = type("BoundCall", (Call,), {})
    server = _Server((address, 0), call)
    registry = kind(f"{address}:{server.server_address[1]}", image, list(rules))
    call.registry = registry  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()


def only(part: str, rule: Rule, times: int = 1 << 30) -> Rule:
    """`rule` for the first `times` requests whose path has `part` in it."""
    left = [times]
    lock = threading.Lock()

    def answer(call: Call) -> bool:
        with lock:
            if part not in call.path or left[0] <= 0:
                return False
            left[0] -= 1
        return rule(call)

    return answer


def status(code: int, **headers: str) -> Rule:
    """Answers with nothing but a status."""

    def answer(call: Call) -> bool:
        call.reply(code, b"", **headers)
        return True

    return answer
