"""Real projects as graphs, in images of the catalogue, and graphs to break in a busybox image."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.recipes.apt import mirrors
from tests.integration.run.conftest import CALLERS, make_project, short_folder
from tests.support.catalogue import Toolchains
from tests.support.project import Project, lend_archive, let_others_pass
from tests.support.workshops import workshop

__all__ = ["make_project", "short_folder"]

collect_ignore = ["projects"]  # one of them has a test of its own
PROJECTS = Path(__file__).parent / "projects"
CALLER = CALLERS[-1]  # another user than root where that can be had
PASSED_ON = ("PIP_INDEX_URL", "npm_config_registry")  # where this machine's registries are, if it says so
MakeReal = Callable[..., Project]


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The mirror of Debian 12 that this machine's apt is set up with."""
    folder = tmp_path_factory.mktemp("mirror")
    return mirrors("bookworm", workshop(folder, Archive.open(folder / "archive")))[0]


@pytest.fixture
def make_real(tmp_path: Path, toolchains: Toolchains, mirror: str) -> MakeReal:
    """Makes the project NAME of PROJECTS, with toolchains and images in its texts by their recipes' names."""

    def make(name: str, recipes: Mapping[str, str], images: Mapping[str, str] | None = None) -> Project:
        let_others_pass(tmp_path)
        toolchains.start([*recipes.values(), *(images or {}).values()])
        env = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        project = Project(tmp_path / name, tmp_path / "home", CALLER, {**env, "MIRROR": mirror}, patience=300)
        project.home.mkdir()
        shutil.copytree(PROJECTS / name, project.root)
        text = (project.root / "tasks.toml").read_text()
        (project.root / "tasks.toml").unlink()
        for word, recipe in (images or {}).items():
            text = text.replace(f"{{{word}}}", str(toolchains.get(recipe).pin))
        pins = {toolchain: toolchains.get(recipe) for toolchain, recipe in recipes.items()}
        head = "".join(f'[toolchains.{key}]\nimage = "{found.pin}"\n\n' for key, found in pins.items())
        # What these tests keep isn't for the next ones: they would find it.
        lend_archive(next(iter(pins.values())).archive, project.home, CALLER, apart=True)
        project.write({".buildbox.toml": head + text})
        return project

    return make
