from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.errors import Exit, UsageError
from buildbox.project import find_git, find_root


def make(folder: Path, *entries: str) -> Path:
    """Folders (`x/`) and empty files below `folder`."""
    for entry in entries:
        path = folder / entry
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if entry.endswith("/") else path.touch()
    return folder


def test_the_nearest_config_counts(tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", "a/.buildbox.toml", "a/b/c/")
    assert find_root(tmp_path, None) == tmp_path
    assert find_root(tmp_path / "a" / "b" / "c", None) == tmp_path / "a"
    assert find_root(tmp_path / "a", Path("b")) == tmp_path / "a"
    assert find_root(Path("/"), tmp_path / "a" / "b") == tmp_path / "a"
    assert find_root(tmp_path / "a", Path("..")) == tmp_path


@pytest.mark.parametrize("dot_git", [".git", ".git/"])
def test_the_top_of_the_repository_is_the_end(dot_git: str, tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", f"a/{dot_git}", "a/b/")
    with pytest.raises(UsageError, match=r"in .*/a/b nor in the folders above it up to .*/a$") as caught:
        find_root(tmp_path / "a" / "b", None)
    assert caught.value.exit == Exit.USAGE
    assert "buildbox init" in caught.value.hint
    make(tmp_path, "a/.buildbox.toml")
    assert find_root(tmp_path / "a" / "b", None) == tmp_path / "a"


def test_home_is_the_end(tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", "home/project/")
    (tmp_path / "link").symlink_to("home")
    with pytest.raises(UsageError, match=r"up to .*/home$"):
        find_root(tmp_path / "home" / "project", None, tmp_path / "link")
    assert find_root(tmp_path / "home" / "project", None) == tmp_path
    assert find_root(tmp_path / "home" / "project", None, tmp_path / "elsewhere") == tmp_path


def test_a_folder_that_everyone_may_write_is_not_looked_in_from_below(tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", "tmp/.buildbox.toml", "tmp/mine/")
    (tmp_path / "tmp").chmod(0o1777)
    with pytest.raises(UsageError, match=r"in .*/tmp/mine$"):
        find_root(tmp_path / "tmp" / "mine", None)
    assert find_root(tmp_path / "tmp", None) == tmp_path / "tmp"


def test_links_are_followed_first(tmp_path: Path) -> None:
    make(tmp_path, "project/.buildbox.toml", "project/sub/", "elsewhere/")
    (tmp_path / "elsewhere" / "link").symlink_to("../project/sub")
    assert find_root(tmp_path / "elsewhere" / "link", None) == tmp_path / "project"


def test_a_config_that_can_not_be_read_is_found_all_the_same(tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", "a/", "b/.buildbox.toml/")
    (tmp_path / "a" / ".buildbox.toml").symlink_to("/nowhere")
    assert find_root(tmp_path / "a", None) == tmp_path / "a"
    assert find_root(tmp_path / "b", None) == tmp_path / "b"


@pytest.mark.parametrize(("explicit", "says"), [("gone", "there is no folder"), ("file", "is not a folder")])
def test_a_folder_that_is_none(explicit: str, says: str, tmp_path: Path) -> None:
    make(tmp_path, ".buildbox.toml", "file")
    with pytest.raises(UsageError, match=says) as caught:
        find_root(tmp_path, Path(explicit))
    assert "-C" in caught.value.hint


def test_a_current_folder_that_was_removed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder") as caught:
        find_root(tmp_path / "gone", None)
    assert "change to another" in caught.value.hint


def test_no_repository(tmp_path: Path) -> None:
    assert find_git(tmp_path) is None
    (tmp_path / ".git").write_text("something else\n")
    assert find_git(tmp_path) is None
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").symlink_to("/nowhere")
    assert find_git(tmp_path) is None


# What a hostile project may bring: a `.git` of its own making. Real ones are in tests/integration/project.


def victim(tmp_path: Path) -> Path:
    """A repository of the user's that is none of the project's business."""
    return make(tmp_path / "victim", ".git/HEAD", ".git/objects/", ".git/refs/", ".git/worktrees/") / ".git"


def trusted(root: Path) -> bool:
    found = find_git(root)
    assert found is not None
    return found.trusted


def test_a_link_in_place_of_the_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "x")
    (root / ".git").symlink_to(victim(tmp_path))
    assert not trusted(root)


def test_a_file_that_names_another_repository(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "x")
    (root / ".git").write_text(f"gitdir: {victim(tmp_path)}\n")
    assert not trusted(root)


def test_a_file_that_names_another_worktree(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "x")
    tree = make(victim(tmp_path) / "worktrees" / "w", "x")
    (tree / "commondir").write_text("../..\n")
    (tree / "gitdir").write_text(f"{tmp_path}/other/.git\n")
    (root / ".git").write_text(f"gitdir: {tree}\n")
    assert not trusted(root)
    (tree / "gitdir").write_text(f"{root}/.git\n")  # the same, were it the user's own
    assert trusted(root)


def test_a_worktree_of_its_own_making_in_the_project(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "fake/worktrees/w/x")
    fake = root / "fake" / "worktrees" / "w"
    (fake / "gitdir").write_text("../../../.git\n")
    (root / ".git").write_text("gitdir: fake/worktrees/w\n")
    for common in (str(victim(tmp_path)), "../..", "../../../../victim/.git"):
        (fake / "commondir").write_text(f"{common}\n")
        assert not trusted(root)


def test_a_project_called_worktrees(tmp_path: Path) -> None:
    above = make(tmp_path / "above", "HEAD", "objects/", "refs/", "private")
    root = make(above / "worktrees", "w/x")
    (root / "w" / "gitdir").write_text("../.git\n")
    (root / "w" / "commondir").write_text("../..\n")
    (root / ".git").write_text("gitdir: w\n")
    assert not trusted(root)


def test_a_submodule_of_its_own_making(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "fake/HEAD", "fake/objects/", "fake/refs/")
    (root / "fake" / "config").write_text("[core]\n\tworktree = ..\n")
    (root / ".git").write_text("gitdir: fake\n")
    assert not trusted(root)


def test_a_submodule_of_another_project(tmp_path: Path) -> None:
    root = make(tmp_path / "project", "x")
    git = victim(tmp_path)
    (root / ".git").write_text(f"gitdir: {git}\n")
    (git / "config").write_text(
        "[core]\n\tbare = false\n\tworktree = ../../other\n[x]\n\tworktree = ../../project\n"
    )
    assert not trusted(root)
    (git / "config").write_text('[ Core ]\n\tWorkTree = "../../project"\n')  # the same, were it so
    assert trusted(root)


def test_a_git_file_that_is_huge_or_binary(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: " + b"\0" * 100)
    assert find_git(tmp_path) is None
    (tmp_path / ".git").write_bytes(b"gitdir: " + b"a/" * (1 << 19))
    assert find_git(tmp_path) is None  # at once: following such a path takes minutes
