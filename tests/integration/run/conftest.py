"""Projects on a real engine, with a busybox image."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.project import ME, STRANGER, Caller, Project, keep_image, let_others_pass
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


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder:
        yield Path(folder)
