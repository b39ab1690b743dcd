"""The files that a run leaves for CI systems: where they may be, and that they are whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from buildbox.cli.call import Call, Project
from buildbox.cli.recording import Target, _add_to_page, _write, wanted
from buildbox.config.load import load
from buildbox.console.record import Story
from buildbox.errors import UsageError
from tests.support.told import CONSOLE
from tests.support.values import PIN, host

STORY = Story("shop", 0.0, 1.0, 0, ())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    (root / ".buildbox.toml").write_text(f'[toolchains.t]\nimage = "{PIN}"\n')
    return Project(root, load(root / ".buildbox.toml"))


def target(project: Project, name: str) -> Target:
    call = Call(host(project.root), CONSOLE, None, None, False, None)
    (found,) = wanted(call, project, Path(name), None)
    return found


@pytest.mark.parametrize("name", ["r.xml", "new/deep/r.xml", ".buildbox/r.xml", "../out/r.xml"])
def test_folders_are_made_and_what_was_there_is_gone(name: str, project: Project) -> None:
    path = project.root / name
    assert not (project.root / "new").exists()
    for _ in range(2):
        found = target(project, name)
        assert not path.exists() and path.parent.is_dir()
        _write(found, b"new")
        assert path.read_bytes() == b"new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent).count("r.xml") == 1  # noqa: PTH208
    assert not [name for name in os.listdir(path.parent) if name.startswith(".r.xml")]  # noqa: PTH208


def test_what_is_no_file_is_refused_before_anything_runs(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project.root / "away").symlink_to(tmp_path / "elsewhere")
    (project.root / "file").write_text("")
    for name, words in {
        "-": "is no file",
        ".": "is no file",
        "away": "is no file",
        "away/r.xml": "leads out of it",
        "file/r.xml": "can't be written: Not a directory",
    }.items():
        with pytest.raises(UsageError, match=words):
            target(project, name)
    assert not list((tmp_path / "elsewhere").iterdir())
    call = Call(host(project.root), CONSOLE, None, None, False, None)
    with pytest.raises(UsageError, match="the same file"):
        wanted(call, project, Path("a"), Path("./a"))


def test_a_link_that_a_task_made_is_not_followed(project: Project, tmp_path: Path) -> None:
    """Neither in the way to the file, nor in its place."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/r.xml").write_text("mine")
    found = target(project, "out/r.xml")
    (project.root / "out/r.xml").symlink_to(tmp_path / "victim/r.xml")
    _write(found, b"new")
    assert not (project.root / "out/r.xml").is_symlink()
    (project.root / "out/r.xml").unlink()
    (project.root / "out").rmdir()
    (project.root / "out").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        _write(found, b"new")
    assert (tmp_path / "victim/r.xml").read_text() == "mine"
    assert os.listdir(tmp_path / "victim") == ["r.xml"]  # noqa: PTH208


def test_a_folder_that_a_task_removed_is_made_anew(project: Project) -> None:
    found = target(project, "build/r.xml")
    (project.root / "build").rmdir()
    _write(found, b"new")
    assert (project.root / "build/r.xml").read_bytes() == b"new"


def test_a_pipe_is_written_to(project: Project, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    found = target(project, f"/dev/fd/{writing}")
    _write(found, b"new")
    os.close(writing)
    with open(reading, "rb") as file:
        assert file.read() == b"new"


def test_what_is_open_is_added_to(project: Project, tmp_path: Path) -> None:
    """stdout, say, where it leads into a file: no other takes its place, or that of a link in /dev."""
    log = tmp_path / "log"
    with open(log, "xb") as file:
        file.write(b"before\n")
        file.flush()
        found = target(project, f"/dev/fd/{file.fileno()}")
        assert log.read_bytes() == b"before\n"
        _write(found, b"new")
    assert log.read_bytes() == b"before\nnew"


def test_the_page_of_a_job_is_added_to_and_never_too_long(project: Project, tmp_path: Path) -> None:
    call = Call(host(project.root), CONSOLE, None, None, False, None)
    page = tmp_path / "page"
    page.write_text("mine\n\n")
    _add_to_page(call, str(page), STORY)
    _add_to_page(call, str(page), STORY)
    assert page.read_text() == "mine\n\n" + "### shop: nothing ran (1.0s)\n\n" * 2
    page.write_text("x" * ((1 << 20) - 10))
    _add_to_page(call, str(page), STORY)
    assert page.stat().st_size == (1 << 20) - 10


def test_a_page_that_cannot_be_written_is_no_fault(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    call = Call(host(project.root), CONSOLE, None, None, False, None)
    _add_to_page(call, str(project.root), STORY)
    assert (
        capfd.readouterr().err == "buildbox: GitHub's summary of this job can't be written: Is a directory\n"
    )
