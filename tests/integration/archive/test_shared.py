"""A team's archive, which its users can read and not write."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import Exit
from tests.integration.archive.engines import watched_engine
from tests.integration.archive.test_damage import BLOBS, IMAGE, flip
from tests.support.images import make_image
from tests.support.project import ME, STRANGER, Caller, Project, let_others_pass
from tests.support.registry import RealRegistry

FILE = '[toolchains.box]\nimage = "{pin}"\n[tasks.test]\nrun = "echo it runs"\n'
CALLERS = [ME, Caller(STRANGER, STRANGER)] if ME.uid == 0 else [ME]


@dataclass(frozen=True)
class Shared:
    """A project whose user is told to use the team's archive."""

    archive: Archive
    project: Project

    def pin(self, image: str) -> None:
        self.project.write({".buildbox.toml": FILE.format(pin=image)})

    def refused(self, *line: str) -> str:
        """What is said of a call that would have to write."""
        result = self.project.run(*line)
        assert (result.status, result.out) == (Exit.ARCHIVE, ""), result.err
        return result.err


def contents(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture(params=CALLERS, ids=lambda caller: "mounted" if caller == ME else "another's")
def shared(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shared]:
    """Read-only for its user because it is mounted so, or because it belongs to somebody else."""
    let_others_pass(tmp_path)
    caller: Caller = request.param
    archive = Archive.open(tmp_path / "team")
    IMAGE.put_into(archive, f"registry.invalid/tools/x:1@{IMAGE.digest}")
    project = Project(tmp_path / "project", tmp_path / "home", caller)
    project.home.mkdir()
    (project.home / "config.toml").write_text(f'[archive]\npath = "{archive.path}"\n')
    made = Shared(archive, project)
    made.pin(f"registry.invalid/tools/x:1@{IMAGE.digest}")
    with watched_engine(IMAGE):
        if caller != ME:
            yield made
            return
        subprocess.run(["mount", "--bind", str(archive.path), str(archive.path)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(archive.path)], check=True)
            yield made
        finally:
            subprocess.run(["umount", "-l", str(archive.path)], check=True)


def test_it_is_read(shared: Shared) -> None:
    before = contents(shared.archive.path)
    project = shared.project
    assert project.ok("--offline", "run", "test") == "it runs\n"
    assert project.ok("run", "test") == "it runs\n"
    assert "sha256:" in project.ok("--offline", "archive", "restore")
    assert "tools/x:1" in project.ok("archive", "list")
    assert json.loads(project.ok("--json", "archive", "check"))["state"] == "ok"
    project.ok("archive", "check", "--repair")  # there is nothing to do
    assert contents(shared.archive.path) == before
    assert not (project.home / "archive").exists()


def test_an_image_that_is_in_it_is_saved_already(shared: Shared) -> None:
    assert json.loads(shared.project.ok("--json", "archive", "save"))["images"][0]["fetched"] == 0


def test_what_would_write_says_so(shared: Shared, real_registry: RealRegistry) -> None:
    other = make_image({"other": b"other"})
    real_registry.push(other, "tools/other", "1")
    shared.pin(real_registry.pull_ref("tools/other", other))
    before = contents(shared.archive.path)
    for line in (("archive", "save"), ("run", "test"), ("archive", "restore")):
        said = shared.refused(*line)
        assert f"the archive can't be written: {shared.archive.path}" in said
        assert "what is already in the archive can still be read" in said
    assert contents(shared.archive.path) == before


@pytest.mark.parametrize("shared", CALLERS[1:], indirect=True)
def test_damage_in_it_is_found_and_not_mended(shared: Shared) -> None:
    flip(shared.archive, BLOBS["layer"])
    before = contents(shared.archive.path)
    result = shared.project.run("--json", "archive", "check")
    assert result.status == Exit.ARCHIVE
    assert [fault["digest"] for fault in json.loads(result.out)["faults"]] == [str(BLOBS["layer"])]
    assert "the archive can't be written" in shared.refused("archive", "check", "--repair")
    assert "has other bytes than its digest says" in shared.refused("--offline", "run", "test")
    assert contents(shared.archive.path) == before
