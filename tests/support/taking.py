"""A registry in this process that takes pushes, into memory, and misbehaves as told (see faulty.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from buildbox.digest import Digest
from tests.support.faulty import Call, FaultyRegistry, Rule, run_kind
from tests.support.images import make_image


@dataclass
class TakingRegistry(FaultyRegistry):
    """Empty at first. One repository is as good as another to it."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, tuple[str, bytes]] = field(default_factory=dict)  # media type and bytes
    tags: dict[str, Digest] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)  # bytes after which the next larger uploads are cut off

    def handle(self, call: Call) -> None:
        large = int(call.headers.get("Content-Length", 0)) > max(self.cuts, default=0)
        if self.cuts and large and call.command == "PUT" and "/blobs/" in call.path:
            call.rfile.read(self.cuts.pop(0))
            call.hang_up()
        else:
            super().handle(call)

    def serve(self, call: Call) -> None:
        path = urlsplit(call.path).path
        name = path.rpartition("/")[2]
        if path == "/v2/":
            return call.reply(200)
        if call.command == "POST" and path.endswith("/blobs/uploads/"):
            return call.reply(202, Location=f"{path}a-b?_state=x%3D%3D&more=")
        if call.command == "DELETE":
            return call.reply(204)
        if call.command == "PUT":
            return self.take(call, path, name, self.asked[-1].body)
        if "/manifests/" in path:
            digest = Digest.parse(name) if name.startswith("sha256:") else self.tags.get(name)
            if digest in self.manifests:
                media_type, data = self.manifests[digest]
                return call.reply(200, data, Content_Type=media_type, Docker_Content_Digest=str(digest))
        elif "/blobs/" in path and Digest.parse(name) in self.blobs:
            return call.reply(200, self.blobs[Digest.parse(name)])
        return call.reply(404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing here"}]}')

    def take(self, call: Call, path: str, name: str, body: bytes) -> None:
        digest = Digest(hashlib.sha256(body).hexdigest())
        if "/blobs/" in path:
            query = parse_qs(urlsplit(call.path).query, keep_blank_values=True)
            if query != {"_state": ["x=="], "more": [""], "digest": [str(digest)]}:
                return call.reply(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}')
            self.blobs[digest] = body
        else:
            self.manifests[digest] = (call.headers["Content-Type"], body)
            if not name.startswith("sha256:"):
                self.tags[name] = digest
        return call.reply(201, Location=path, Docker_Content_Digest=str(digest))

    def methods(self, part: str) -> list[str]:
        """The methods of the requests whose path has `part` in it."""
        return [asked.method for asked in self.requests(part)]


@contextmanager
def run_taking(*rules: Rule) -> Iterator[TakingRegistry]:
    """The registry, listening on a free port until the end of the block."""
    with run_kind(TakingRegistry, make_image(), rules) as registry:
        yield registry


def on(method: str, part: str, rule: Rule) -> Rule:
    """`rule` for requests of `method` whose path has `part` in it."""

    def answer(call: Call) -> bool:
        return call.command == method and part in call.path and rule(call)

    return answer
