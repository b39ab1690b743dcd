"""The engines that the contract suite runs over. To add one: a context manager here, a line in ENGINES."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import docker

from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.engine.protocol import Engine
from tests.support.fake_engine import FakeEngine
from tests.support.tiny_image import tiny_image

SOCKET = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Subject:
    """An engine, and a tiny image that it has."""

    engine: Engine
    image: str  # the engine's id for it
    tar: bytes  # of the image
    real: bool  # its containers are containers


@contextmanager
def fake() -> Iterator[Subject]:
    image = tiny_image()
    engine = FakeEngine()
    engine.load([image.tar()])
    yield Subject(engine, image.ids[0], image.tar(), real=False)
    engine.close()


@contextmanager
def default_docker() -> Iterator[Subject]:
    with real(SOCKET) as subject:
        yield subject


@contextmanager
def real(url: str) -> Iterator[Subject]:
    """The engine at `url`, with an image that is its own and gone afterwards."""
    mark = secrets.token_hex(6)
    image = tiny_image(config={"Labels": {"buildbox.tests": mark}})
    engine = connect(Address(url, "the tests"))
    tag = f"buildbox.local/tests:{mark}"
    tar = image.tar(tag)
    engine.load([tar])
    client = docker.DockerClient(base_url=url)
    try:
        yield Subject(engine, next(name for name in image.ids if engine.has_image(name)), tar, real=True)
    finally:
        client.images.remove(tag, force=True)
        client.close()
        engine.close()


Factory = Callable[[], AbstractContextManager[Subject]]
REAL_ENGINES: dict[str, Factory] = {"docker": default_docker}
ENGINES: dict[str, Factory] = {"fake": fake, **REAL_ENGINES}
