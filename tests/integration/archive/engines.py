"""The real engine, watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from docker.api.client import APIClient

from buildbox.engine.clients import Clients
from buildbox.engine.docker import DockerEngine
from tests.support.images import MadeImage, Settings, make_image

SOCKET = "unix:///var/run/docker.sock"


class WatchedEngine(DockerEngine):
    """Counts loads and what came through them."""

    def __init__(self, api: Any) -> None:
        super().__init__(Clients(lambda: api), SOCKET)
        self.api = api
        self.loads = 0
        self.received = bytearray()
        self.complete = False  # whether the last tar was read to its end

    def load(self, tar: Iterable[bytes]) -> None:
        self.loads += 1
        self.complete = False

        def watched() -> Iterator[bytes]:
            for chunk in tar:
                self.received += chunk
                yield chunk
            self.complete = True

        super().load(watched())


@contextmanager
def watched_engine(*images: MadeImage) -> Iterator[WatchedEngine]:
    """The engine; `images` are removed from it before and after."""
    api = APIClient(base_url=SOCKET, version="auto")
    try:
        remove(api, images)
        yield WatchedEngine(api)
    finally:
        remove(api, images)
        api.close()


def remove(api: Any, images: Iterable[MadeImage]) -> None:
    for image in images:
        for digest in (*image.blobs, *image.manifests):
            if _has(api, str(digest)):
                api.remove_image(str(digest), force=True)


def _has(api: Any, image_id: str) -> bool:
    return any(found["Id"] == image_id for found in api.images())


def image_of_its_own(name: str) -> MadeImage:
    """An image that no other test has."""
    return make_image({"a": name.encode() * 300_000}, {"b": b"two"}, settings=Settings(labels={"test": name}))
