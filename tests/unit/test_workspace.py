from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.workspace import own_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_made_once_and_git_ignores_it(tmp_path: Path) -> None:
    assert own_folder(tmp_path, "stage", "1") == tmp_path / ".buildbox/stage/1"
    assert (tmp_path / ".buildbox/stage/1").is_dir()
    assert (tmp_path / ".buildbox/.gitignore").read_text() == "*\n"
    (tmp_path / ".buildbox/.gitignore").write_text("mine")
    assert own_folder(tmp_path) == tmp_path / ".buildbox"
    assert names(tmp_path / ".buildbox") == [".gitignore", "stage"]
    assert (tmp_path / ".buildbox/.gitignore").read_text() == "mine"


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / ".buildbox").symlink_to(outside)
    assert own_folder(root) is None
    (root / ".buildbox").unlink()
    (root / ".buildbox").mkdir()
    (root / ".buildbox/logs").symlink_to(outside)
    assert own_folder(root, "logs", "1") is None
    assert list(outside.iterdir()) == []


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".buildbox").write_text("")
    assert own_folder(tmp_path) is None
    assert own_folder(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_only_names_of_folders_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        own_folder(tmp_path, name)
