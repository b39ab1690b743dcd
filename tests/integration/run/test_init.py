"""`buildbox init`, and what it writes, run as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.samples import GO, PYTHON


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A project without a `.buildbox.toml`."""
    project = Project(tmp_path / "project", tmp_path / "home")
    project.root.mkdir()
    project.home.mkdir()
    return project


def test_a_python_project_runs_as_it_is(empty: Project, catalogue_archive: Path) -> None:
    (empty.home / "archive").symlink_to(catalogue_archive)
    empty.write(PYTHON)
    result = empty.run("init")
    assert result.status == 0, result.err
    assert result.out == ""
    assert "found pyproject.toml: python 3.11" in result.err
    empty.ok("check")
    assert "1 passed" in empty.ok("run")
    assert "1 passed" in empty.ok("run", "test", "--", "-k", "test_it")
    empty.ok("run", "build")
    assert [path.name for path in (empty.root / "dist").iterdir()] == ["sample-1.0-py3-none-any.whl"]


def test_the_example_runs_as_it_is(empty: Project, catalogue_archive: Path) -> None:
    (empty.home / "archive").symlink_to(catalogue_archive)
    empty.write({"README": "hello"})
    empty.ok("init")
    assert empty.ok("run").splitlines() == ["Python 3.11.2", ".buildbox", ".buildbox.toml", "README"]


def test_a_file_that_is_there_stays(empty: Project) -> None:
    empty.write({**GO, ".buildbox.toml": "mine"})
    result = empty.run("init")
    assert result.status == 2
    assert "there already" in result.err
    assert (empty.root / ".buildbox.toml").read_text() == "mine"
    assert "[toolchains.go]" in empty.ok("init", "--print")
    assert (empty.root / ".buildbox.toml").read_text() == "mine"


def test_what_is_printed_is_what_is_written(empty: Project) -> None:
    empty.write(GO)
    printed = empty.ok("init", "--print")
    assert not (empty.root / ".buildbox.toml").exists()
    document = json.loads(empty.ok("init", "--json"))
    assert (empty.root / ".buildbox.toml").read_text() == printed == document["text"]
    assert document["written"] is True
    (found,) = document["found"]
    assert (found["toolchain"], found["pinned"], found["tasks"]) == ("go", True, ["test", "lint", "build"])


def test_the_current_folder_is_the_project_or_another(empty: Project) -> None:
    empty.write({".git/HEAD": "", **{f"below/{name}": text for name, text in GO.items()}})
    empty.ok("init", cwd=empty.root / "below")
    assert (empty.root / "below" / ".buildbox.toml").exists()
    empty.ok("-C", "below/cmd", "init")
    assert (empty.root / "below" / "cmd" / ".buildbox.toml").exists()
    assert not (empty.root / ".buildbox.toml").exists()
    assert empty.run("-C", "nowhere", "init").status == 2
