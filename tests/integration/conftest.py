"""What tests in several folders share: the catalogue's images, and Maven's plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildbox.cli.host import this_host
from tests.support.catalogue import Toolchains
from tests.support.checkout import BUILDS_IT, copy_checkout, download
from tests.support.maven import maven_repository


@pytest.fixture(scope="session")
def toolchains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolchains]:
    """The catalogue's images, in the archive of whoever runs the tests; so a second run finds them there."""
    found = Toolchains(this_host().data / "archive", tmp_path_factory.mktemp("toolchains"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def need_toolchain(toolchains: Toolchains) -> Callable[[str], Path]:
    """Gives an archive that has the image of a recipe (python/3.11)."""
    return lambda recipe: toolchains.get(recipe).archive


@pytest.fixture(scope="session")
def catalogue_archive(need_toolchain: Callable[[str], Path]) -> Path:
    """That archive with python/3.11 in it."""
    return need_toolchain("python/3.11")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this checkout as it is now, in one commit that is tagged v0.0.0."""
    return copy_checkout(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def wheels(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it takes to build the clone and to run it: who installs it then needs no index."""
    return download(tmp_path_factory.mktemp("wheels"), str(clone), BUILDS_IT)


@pytest.fixture(scope="session")
def maven_plugins(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a Maven repository with the plugins that a suite has, of the versions that its Maven asks for."""
    made: dict[str, Path] = {}

    def need(suite: str) -> Path:
        if suite not in made:
            made[suite] = maven_repository(suite, tmp_path_factory.mktemp("maven"))
        return made[suite]

    return need
