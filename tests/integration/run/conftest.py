"""Projects on a real engine, with a busybox image and with the catalogue's Python toolchain."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.project import ME, REPOSITORY, STRANGER, Caller, Project, keep_image, let_others_pass
from tests.support.tiny_image import tiny_image

MakeProject = Callable[..., Project]
CALLERS = [ME, Caller(STRANGER, STRANGER)] if ME.uid == 0 else [ME]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Makes a project with the tasks in a TOML text, in a busybox image with `config` of its own."""
    let_others_pass(tmp_path)  # callers differ here

    def make(
        tasks: str,
        *,
        caller: Caller = ME,
        config: Mapping[str, object] | None = None,
        root: str = "project",
        toolchain: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Project:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        pin = keep_image(home, tiny_image(config=config or {}), "tests/busybox:1")
        project = Project(tmp_path / root, home, caller, env or {})
        project.root.mkdir(parents=True, exist_ok=True)
        project.write({".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n{toolchain}\n{tasks}'})
        return project

    return make


@pytest.fixture(params=CALLERS, ids=lambda caller: "root" if caller.uid == 0 else "user")
def caller(request: pytest.FixtureRequest) -> Caller:
    """Each kind of caller: root, and one who is not."""
    found: Caller = request.param
    return found


@pytest.fixture(scope="session")
def need_toolchain() -> Callable[[str], Path]:
    """Gives the archive of whoever runs the tests with the image of a recipe (python/3.11) in it.

    Where it isn't, it is made there now, and must be the one that the catalogue has recorded: so on a fresh
    machine, such as CI's, each recipe is built once, and its pin is checked.
    """
    from buildbox.cli.host import this_host

    def need(recipe: str) -> Path:
        archive = this_host().data / "archive"
        pin = (REPOSITORY / "images" / recipe / "pin").read_text().strip()
        if not (archive / "blobs/sha256" / pin.rpartition(":")[2]).exists():
            command = [sys.executable, "-m", "buildbox", "images", "build", recipe]
            built = subprocess.run(command, check=True, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
            assert built.stdout.strip() == pin
        return archive

    return need


@pytest.fixture(scope="session")
def catalogue_archive(need_toolchain: Callable[[str], Path]) -> Path:
    """That archive with python/3.11 in it."""
    return need_toolchain("python/3.11")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder:
        yield Path(folder)
