"""A project, and buildbox in containers that have it in one way or another, with the host's engine socket."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.progress import Silent
from buildbox.toolchains.builder import obtain_builder
from tests.support.catalogue import Toolchains
from tests.support.project import DOCKER_SOCKET, ME, Project, keep_image
from tests.support.tiny_image import tiny_image

MakeProject = Callable[[str], Project]
MARK = "buildbox.tests.folder"


@pytest.fixture(scope="session")
def python_image(toolchains: Toolchains) -> str:
    """The engine's id of an image that buildbox can run in."""
    found = toolchains.get("python/3.11")
    with closing(connect(Address(f"unix://{DOCKER_SOCKET}", "the tests"))) as engine:
        return obtain_builder(
            found.pin,
            Archive.open(found.archive),
            engine,
            Path("/config.toml"),
            offline=True,
            registry_for=lambda name, **_: pytest.fail(f"{name} was asked"),
            progress=Silent(),
        )


@pytest.fixture
def make_project() -> Iterator[MakeProject]:
    """Makes a project with the tasks in a TOML text, in a folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="buildbox-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)

        def make(tasks: str) -> Project:
            home = Path(folder) / "home"
            home.mkdir()
            image = tiny_image(config={"Labels": {MARK: folder}})  # which containers of it have, too
            pin = keep_image(home, image, "tests/busybox:1")
            project = Project(Path(folder) / "project", home, ME)
            project.root.mkdir()
            text = f'[toolchains.box]\nimage = "{pin}"\n{tasks}'.replace("{pin}", pin)
            project.write({".buildbox.toml": text, "sub/input": "of the host\n"})
            return project

        yield make
