from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildbox.errors import ConfigError
from buildbox.starter.folder import look_at
from buildbox.starter.write import create_file


def test_what_tools_fill_is_not_looked_into(tmp_path: Path) -> None:
    for name in ("src/a.py", "node_modules/b/package.json", ".venv/c.py", "vendor/modules.txt", "vendor/d.c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert look_at(tmp_path).files == {"src/a.py", "vendor/modules.txt"}


def test_texts_are_kept_of_files_that_say_how_to_build(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "setup.py").write_bytes(b"\xff")
    assert look_at(tmp_path).texts == {"go.mod": "module m\n", "setup.py": "�"}


def test_neither_links_nor_pipes_are_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pom.xml").symlink_to(outside)
    os.mkfifo(project / "package.json")
    folder = look_at(project)
    assert folder.texts == {}
    assert folder.files == {"pom.xml", "package.json"}


def test_a_file_is_made_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / ".buildbox.toml"
    assert create_file(path, "a\n")
    assert path.read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".buildbox.toml"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    before = path.lstat()
    assert not create_file(path, "a\n")
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        create_file(tmp_path / "file" / ".buildbox.toml", "a\n")
