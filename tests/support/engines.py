"""The engines that the contract suite runs over. To add one: a line in REAL_ENGINES."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import docker

from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.engine.protocol import Engine
from tests.support.fake_engine import FakeEngine
from tests.support.own_engine import Program, docker_of, own_engine, podman_of
from tests.support.project import ME, Caller
from tests.support.rootless import OWNER, rootless_docker, rootless_podman
from tests.support.tiny_image import tiny_image

SOCKET = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Subject:
    """An engine, and a tiny image that it has."""

    engine: Engine
    image: str  # the engine's id for it
    tar: bytes  # of the image
    url: str = ""  # where it listens; "" where its containers are none
    rootless: bool = False  # root in its containers is OWNER outside

    @property
    def real(self) -> bool:
        """Whether its containers are containers."""
        return bool(self.url)

    @property
    def caller(self) -> Caller:
        """Who may use it, and outside is whom buildbox's tasks run as."""
        return Caller(OWNER, OWNER) if self.rootless else ME

    @property
    def user(self) -> str:
        """`caller` as its containers know it."""
        return "0:0" if self.rootless else f"{ME.uid}:{ME.gid}"


@contextmanager
def fake() -> Iterator[Subject]:
    image = tiny_image()
    engine = FakeEngine()
    engine.load([image.tar()])
    yield Subject(engine, image.ids[0], image.tar())
    engine.close()


@contextmanager
def default_docker() -> Iterator[Subject]:
    with real(SOCKET) as subject:
        yield subject


@contextmanager
def real(url: str, *, rootless: bool = False) -> Iterator[Subject]:
    """The engine at `url`, with an image that is its own and gone afterwards."""
    mark = secrets.token_hex(6)
    image = tiny_image(config={"Labels": {"buildbox.tests": mark}})
    engine = connect(Address(url, "the tests"))
    tag = f"buildbox.local/tests:{mark}"
    tar = image.tar(tag)
    engine.load([tar])
    client = docker.DockerClient(base_url=url)
    try:
        yield Subject(engine, next(name for name in image.ids if engine.has_image(name)), tar, url, rootless)
    finally:
        client.images.remove(tag, force=True)
        client.close()
        engine.close()


@contextmanager
def own(program: Program, *, rootless: bool = False) -> Iterator[Subject]:
    """An engine that is there for this alone."""
    with (
        TemporaryDirectory(prefix="engine-") as folder,
        own_engine(Path(folder), program) as engine,
        real(engine.url, rootless=rootless) as subject,
    ):
        yield subject


Factory = Callable[[], AbstractContextManager[Subject]]
MACHINES = "docker"  # the machine's own engine
NEWEST = "docker-28-containerd"
REAL_ENGINES: dict[str, Factory] = {
    MACHINES: default_docker,
    "docker-26": partial(own, docker_of("trixie", containerd=False)),
    "docker-26-containerd": partial(own, docker_of("trixie", containerd=True)),
    "docker-28": partial(own, docker_of("forky", containerd=False)),
    NEWEST: partial(own, docker_of("forky", containerd=True)),
    "podman": partial(own, podman_of("")),
    "docker-rootless": partial(own, rootless_docker(), rootless=True),
    "podman-rootless": partial(own, rootless_podman(), rootless=True),
}
ENGINES: dict[str, Factory] = {"fake": fake, **REAL_ENGINES}


def chosen(words: str) -> tuple[str, ...]:
    """The real engines that `--engines` names: "all", names between commas, or "" for the usual ones.

    Those are the machine's, which is the oldest in CI, and, for root, the newest: nobody else can start it.
    Raises ValueError for a name that isn't known.
    """
    if not words:
        return (MACHINES, NEWEST) if os.getuid() == 0 else (MACHINES,)
    names = tuple(REAL_ENGINES) if words == "all" else tuple(words.split(","))
    unknown = [name for name in names if name not in REAL_ENGINES]
    if unknown:
        raise ValueError(f"no such engine: {', '.join(unknown)}; there are: all, {', '.join(REAL_ENGINES)}")
    return names


class Running:
    """Subjects by name, each started when it is first asked for; all end together."""

    def __init__(self) -> None:
        self._subjects: dict[str, Subject] = {}
        self._stack = ExitStack()

    def get(self, name: str) -> Subject:
        """The engine of this name, a key of ENGINES."""
        if name not in self._subjects:
            self._subjects[name] = self._stack.enter_context(ENGINES[name]())
        return self._subjects[name]

    def close(self) -> None:
        """Ends all of them."""
        self._stack.close()
