"""Real repositories: what git writes is recognised as the project's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildbox.project import GitFolder, find_git


def git(folder: Path, *arguments: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    names = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *names, *arguments], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    folder = tmp_path / "the main one"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_plain_repository(main: Path) -> None:
    assert find_git(main) == GitFolder(main / ".git", main / ".git", main / ".git", True)


def test_a_worktree(main: Path, tmp_path: Path) -> None:
    tree = tmp_path / "trée"
    git(main, "worktree", "add", "-q", str(tree))
    place = main / ".git" / "worktrees" / "trée"
    assert find_git(tree) == GitFolder(tree / ".git", place, main / ".git", True)
    (tmp_path / "link").symlink_to(tree)
    assert find_git(tmp_path / "link") == find_git(tree)


def test_a_worktree_that_was_copied(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / ".git").write_bytes((tmp_path / "tree" / ".git").read_bytes())
    found = find_git(copy)
    assert found is not None
    assert not found.trusted


def test_a_worktree_in_a_bare_repository(main: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    git(tmp_path, "clone", "-q", "--bare", str(main), "bare")
    git(bare, "worktree", "add", "-q", "--detach", "tree")
    tree = bare / "tree"
    assert find_git(tree) == GitFolder(tree / ".git", bare / "worktrees" / "tree", bare, True)


@pytest.fixture
def submodule(main: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(main), "library")
    git(main, "submodule", "add", "-q", str(tmp_path / "library"), "a/lib")
    git(main, "commit", "-q", "-m", "second")
    return main / "a" / "lib"


def test_a_submodule(main: Path, submodule: Path) -> None:
    place = main / ".git" / "modules" / "a" / "lib"
    assert find_git(submodule) == GitFolder(submodule / ".git", place, place, True)


def test_a_submodule_whose_configuration_is_split(main: Path, submodule: Path) -> None:
    git(submodule, "sparse-checkout", "init")
    place = main / ".git" / "modules" / "a" / "lib"
    assert find_git(submodule) == GitFolder(submodule / ".git", place, place, True)


def test_a_worktree_of_a_submodule(main: Path, submodule: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(submodule, "worktree", "add", "-q", "--detach", str(tree))
    place = main / ".git" / "modules" / "a" / "lib"
    assert find_git(tree) == GitFolder(tree / ".git", place / "worktrees" / "tree", place, True)


def test_a_submodule_of_a_worktree(main: Path, submodule: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(main, "worktree", "add", "-q", "--detach", str(tree))
    git(tree, "submodule", "update", "-q", "--init")
    place = main / ".git" / "worktrees" / "tree" / "modules" / "a" / "lib"
    assert submodule.exists()
    assert find_git(tree / "a" / "lib") == GitFolder(tree / "a" / "lib" / ".git", place, place, True)


def test_a_repository_kept_elsewhere_can_not_be_told_from_a_strangers(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "kept"), "project")
    found = find_git(tmp_path / "project")
    assert found == GitFolder(tmp_path / "project" / ".git", tmp_path / "kept", tmp_path / "kept", False)
