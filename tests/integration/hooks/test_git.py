"""git in the tasks of a hook: it works as in the working tree, and can't write there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.record import recorded_pin
from tests.integration.hooks.conftest import MakeRepo, Repo
from tests.support.project import ME, lend_archive

LOOK = """
[hooks]
pre-commit = ["look"]
[tasks.look]
run = '''
set +e
git status --short
git log --format=%s
git diff --cached --name-only
git -C lib log -1 --format=%s
git tag planted; git config x.y z; git add a.txt
git ls-files
'''
"""


@pytest.fixture
def with_git(make_repo: MakeRepo, need_toolchain: Callable[[str], Path]) -> Callable[..., Repo]:
    """A repository whose tasks run in an image that has git."""
    archive = need_toolchain("python/3.11")

    def make(**files: str) -> Repo:
        repo = make_repo(LOOK, **files)
        pin = recorded_pin(own_catalogue() / "python/3.11")
        (repo.home / "archive").rename(repo.home / "own archive")
        lend_archive(archive, repo.home, ME, apart=True)
        repo.write({f"{repo.inside}/.buildbox.toml": f'[toolchains.t]\nimage = "{pin}"\n{LOOK}'})
        repo.ok("commit", "-qam", "with git")
        return repo

    return make


def test_git_works_in_a_copy_with_a_submodule(with_git: Callable[..., Repo], tmp_path: Path) -> None:
    repo = with_git(**{"a.txt": "1\n", "b.txt": "1\n"})
    library = tmp_path / "library"
    library.mkdir()
    repo.ok("init", "-q", cwd=library)
    repo.ok("commit", "-q", "--allow-empty", "-m", "of the library", cwd=library)
    repo.ok("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    repo.write({"b.txt": "unstaged\n", "a.txt": "unstaged\n"})
    expected = ["A  .gitmodules", "M  a.txt", "A  lib", "with git", "first", ".gitmodules", "a.txt", "lib"]
    expected += ["of the library", ".buildbox.toml", ".gitmodules", "a.txt", "b.txt", "lib"]
    done = repo.hook()
    assert done.out.splitlines() == expected, done.err
    assert done.err.count("Read-only file system") == 3, done.err
    assert repo.git("tag").out == ""


def test_git_works_in_the_copy_of_a_worktree(with_git: Callable[..., Repo], tmp_path: Path) -> None:
    repo = with_git(**{"a.txt": "1\n"})
    side = tmp_path / "side"
    repo.ok("worktree", "add", "-q", "-b", "side", str(side))
    repo.ok("commit", "-q", "--allow-empty", "-m", "on the side", cwd=side)
    (side / "a.txt").write_text("2\n")
    repo.ok("add", "a.txt", cwd=side)
    done = repo.hook(cwd=side)
    assert done.out.splitlines()[:4] == ["M  a.txt", "on the side", "with git", "first"], done.err


def test_git_works_in_the_copy_of_a_submodule(with_git: Callable[..., Repo], tmp_path: Path) -> None:
    """A project that is a submodule of another repository, whose settings say where it is checked out."""
    repo = with_git(**{"a.txt": "1\n"})
    around = tmp_path / "around"
    around.mkdir()
    repo.ok("init", "-q", cwd=around)
    repo.ok("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repo.top), "app", cwd=around)
    (around / "app/a.txt").write_text("2\n")
    repo.ok("add", "a.txt", cwd=around / "app")
    done = repo.hook(cwd=around / "app")
    assert done.out.splitlines()[:4] == ["M  a.txt", "with git", "first", "a.txt"], done.err
