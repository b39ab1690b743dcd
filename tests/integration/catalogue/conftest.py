"""Images of the catalogue, and projects to build in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.run.conftest import CALLERS
from tests.support.catalogue import Toolchain, Toolchains
from tests.support.project import Project, lend_archive, let_others_pass

collect_ignore = ["projects"]  # some of them have tests of their own
PROJECTS = Path(__file__).parent / "projects"
CALLER = CALLERS[-1]  # another user than root where that can be had: whom images know less, and who may less
MakeProject = Callable[..., Project]


@pytest.fixture(scope="session")
def toolchain_of(request: pytest.FixtureRequest, toolchains: Toolchains) -> Callable[[str], Toolchain]:
    """Gives a recipe's image; those of all the tests that were chosen are made meanwhile."""
    chosen = [
        item.callspec.params.get("recipe") for item in request.session.items if hasattr(item, "callspec")
    ]
    toolchains.start(recipe for recipe in chosen if isinstance(recipe, str))
    return toolchains.get


@pytest.fixture
def toolchain(recipe: str, toolchain_of: Callable[[str], Toolchain]) -> Toolchain:
    """The image of the recipe that a test is about."""
    return toolchain_of(recipe)


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Makes a project of the caller's, with the tasks in a TOML text and the files in one of PROJECTS."""

    def make(toolchain: Toolchain, tasks: str, files: str = "") -> Project:
        let_others_pass(tmp_path)
        project = Project(tmp_path / "project", tmp_path / "home", CALLER, patience=300)
        project.home.mkdir()
        if files:
            shutil.copytree(PROJECTS / files, project.root)
        lend_archive(toolchain.archive, project.home, CALLER)
        project.root.mkdir(exist_ok=True)
        project.write({".buildbox.toml": f'[toolchains.it]\nimage = "{toolchain.pin}"\n\n{tasks}'})
        return project

    return make
