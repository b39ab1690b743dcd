"""Projects on a real engine, with a busybox image and with the catalogue's Python toolchain."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.project import ME, REPOSITORY, STRANGER, Caller, Project, keep_image
from tests.support.tiny_image import tiny_image

MakeProject = Callable[..., Project]
CALLERS = [ME, Caller(STRANGER, STRANGER)] if ME.uid == 0 else [ME]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Makes a project with the tasks in a TOML text, in a busybox image with `config` of its own."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:  # pytest's folders are the tester's alone; callers differ here
        if parent.owner() == tmp_path.owner():
            parent.chmod(0o755)

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
def catalogue_archive() -> Path:
    """The archive of whoever runs the tests, with python/3.11 in it (made there now, if it isn't)."""
    from buildbox.cli.host import this_host

    archive = this_host().data / "archive"
    pin = (REPOSITORY / "images/python/3.11/pin").read_text().strip()
    digest = pin.rpartition(":")[2]
    if not (archive / "blobs/sha256" / digest).exists():
        subprocess.run(["buildbox", "images", "build", "python/3.11"], check=True, cwd=REPOSITORY)
    return archive


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder:
        yield Path(folder)
