"""Real projects that were built and recorded, and engines that have never seen them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.graph.conftest import mirror
from tests.integration.run.conftest import make_project
from tests.support.catalogue import Toolchains
from tests.support.graphs import digests, run_well
from tests.support.own_engine import HERE, OwnEngine, docker_of, own_engine
from tests.support.project import Project
from tests.support.real import commit, real_project

__all__ = ["make_project", "mirror"]


@dataclass(frozen=True)
class Shown:
    """A real project, and what of it is made again."""

    recipes: Mapping[str, str]  # of its toolchains
    tasks: tuple[str, ...]
    artifacts: tuple[str, ...]
    images: Mapping[str, str]  # of its services


SHOWN = {
    "c": Shown(
        {"gcc": "gcc/12", "apt": "builder/12"},
        ("build", "package"),
        ("dist/zlib.tar.gz", "zlib/libz.so.1.2.13"),
        {},
    ),
    "python": Shown(
        {"python": "python/3.11"},
        ("build",),
        ("dist/pg8000-1.31.2-py3-none-any.whl",),
        {"postgres": "postgres/15"},
    ),
    "java": Shown(
        {"java": "java/17", "apt": "builder/12"}, ("build", "test"), ("dist/commons-codec.jar",), {}
    ),
}


@dataclass(frozen=True)
class Recorded:
    """A project that has been built, its artifacts signed, and what is kept of it."""

    project: Project
    artifacts: Mapping[str, str]  # path -> digest
    key: Path  # the public key of who signed
    capsule: Path


@pytest.fixture(scope="session", params=SHOWN)
def recorded(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    toolchains: Toolchains,
    mirror: str,
) -> Recorded:
    """Each of them, built and recorded on this machine's engine."""
    name = request.param
    shown = SHOWN[name]
    folder = tmp_path_factory.mktemp(name)
    project = real_project(name, folder, toolchains, mirror, shown.recipes, shown.images)
    commit(project)
    key = Path(project.ok("keygen").strip())
    run_well(project, "--sign", *shown.tasks)
    capsule = folder / "home/capsule.tar"
    project.ok("capsule", "create", *shown.artifacts, "-o", str(capsule))
    return Recorded(project, digests(project.root, *shown.artifacts), key, capsule)


@pytest.fixture(scope="session")
def next_generation() -> Iterator[OwnEngine]:
    """A new Docker Engine 28.5 with containerd's image store, without an image."""
    with (
        tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder,
        own_engine(Path(folder), docker_of("forky", containerd=True)) as engine,
    ):
        yield engine


@pytest.fixture(scope="session")
def wiped() -> Iterator[OwnEngine]:
    """An engine as the machine's own, without an image."""
    with (
        tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder,
        own_engine(Path(folder), HERE) as engine,
    ):
        yield engine
