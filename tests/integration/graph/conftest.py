"""Real projects as graphs, in images of the catalogue, and graphs to break in a busybox image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.recipes.apt import mirrors
from tests.integration.run.conftest import make_project, short_folder
from tests.support.catalogue import Toolchains
from tests.support.project import Project
from tests.support.real import real_project
from tests.support.workshops import workshop

__all__ = ["make_project", "short_folder"]

collect_ignore = ["projects"]  # one of them has a test of its own
MakeReal = Callable[..., Project]


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The mirror of Debian 12 that this machine's apt is set up with."""
    folder = tmp_path_factory.mktemp("mirror")
    return mirrors("bookworm", workshop(folder, Archive.open(folder / "archive")))[0]


@pytest.fixture
def make_real(tmp_path: Path, toolchains: Toolchains, mirror: str) -> MakeReal:
    """Makes a real project with toolchains and images of services by their recipes' names."""

    def make(name: str, recipes: Mapping[str, str], images: Mapping[str, str] | None = None) -> Project:
        return real_project(name, tmp_path, toolchains, mirror, recipes, images)

    return make
