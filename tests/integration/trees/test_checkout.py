"""A fresh clone of a commit from the repository at hand, of which nothing runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildbox.trees.borrowed import CommitGone
from buildbox.trees.checkout import checkout, find_parts
from tests.integration.trees.working import Working, names
from tests.support.trees import seen

FILES = {"a.txt": "one\n", "src/b.py": "print()\n"}


def head(work: Working, at: str = ".") -> str:
    return work.git("rev-parse", "HEAD", at=at).strip()


def files(to: Path) -> dict[str, str]:
    """What is in a clone, which is one no more."""
    shutil.rmtree(to / ".git")
    return seen(to)


def add_submodule(work: Working, tmp_path: Path) -> tuple[Working, Working]:
    """A repository with a submodule, `libs/lib`, that has one of its own, `deep`."""
    deep, lib = Working(tmp_path / "deep", work.data), Working(tmp_path / "lib", work.data)
    deep.commit({"deep.txt": "deep\n"})
    lib.commit({"lib.txt": "lib\n"})
    lib.git("submodule", "add", "-q", str(deep.root), "deep")
    lib.git("commit", "-q", "-m", "deep")
    work.commit(FILES)
    work.git("submodule", "add", "-q", str(lib.root), "libs/lib")
    work.git("submodule", "update", "-q", "--init", "--recursive")
    work.git("commit", "-q", "-m", "lib")
    return lib, deep


def test_a_commit_gives_its_files_whatever_the_working_tree_is_like(work: Working, tmp_path: Path) -> None:
    work.write({"run": "#!/bin/sh\n"})
    (work.root / "run").chmod(0o755)
    (work.root / "link").symlink_to("a.txt")
    work.commit(FILES)
    commit, inputs = head(work), work.select()
    work.write({"a.txt": "two\n", "new": "", "src/b.py": ""})
    work.git("commit", "-q", "-a", "-m", "y")
    to = tmp_path / "clone"
    checkout(work.root / "src", commit, to, work.env)
    clone = Working(to, tmp_path / "other-home")
    assert head(clone) == commit
    assert clone.git("status", "--porcelain") == ""
    assert clone.select().digest == inputs.digest
    assert names(clone.select()) == ["a.txt", "link", "run", "src/b.py"]


def test_a_bare_repository_and_a_worktree_do_too(work: Working, tmp_path: Path) -> None:
    work.commit(FILES)
    work.git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    work.git("worktree", "add", "-q", str(tmp_path / "tree"))
    for name in ("bare", "tree"):
        checkout(tmp_path / name, head(work), tmp_path / f"{name}-clone", work.env)
        assert files(tmp_path / f"{name}-clone") == FILES


def test_a_path_with_anything_in_it_is_found(work: Working, tmp_path: Path) -> None:
    odd = Working(tmp_path / 'od"d\\ :#', work.data)
    odd.commit(FILES)
    checkout(odd.root, head(odd), tmp_path / "clone", odd.env)
    assert files(tmp_path / "clone") == FILES


def test_nothing_of_the_repositorys_or_the_users_configuration_runs(work: Working, tmp_path: Path) -> None:
    work.commit({**FILES, ".gitattributes": "*.txt filter=evil\n*.py eol=crlf\n"})
    ran = tmp_path / "ran"
    for scope in ("--local", "--global"):
        work.git("config", scope, "filter.evil.smudge", f"touch {ran}; cat")
        work.git("config", scope, "filter.evil.required", "true")
        work.git("config", scope, "core.fsmonitor", f"touch {ran}; false")
        work.git("config", scope, "core.hooksPath", str(tmp_path / "hooks"))
        work.git("config", scope, "core.autocrlf", "true")
    (work.root / ".git" / "info" / "attributes").write_text("*.txt ident\n")
    for hook in (tmp_path / "hooks" / "post-checkout", work.root / ".git" / "hooks" / "post-checkout"):
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    checkout(work.root, head(work), tmp_path / "clone", work.env)
    assert not ran.exists()
    assert (tmp_path / "clone" / "a.txt").read_bytes() == b"one\n"
    assert (tmp_path / "clone" / "src/b.py").read_bytes() == b"print()\r\n"  # the commit itself says so


def test_submodules_come_from_where_they_are(work: Working, tmp_path: Path) -> None:
    lib, deep = add_submodule(work, tmp_path)
    whole = {**FILES, "libs/lib/lib.txt": "lib\n", "libs/lib/deep/deep.txt": "deep\n"}
    wanted = {"libs/lib": head(lib), "libs/lib/deep": head(deep)}
    parts = find_parts(work.root, head(work), work.env)
    assert {part.path: part.commit for part in parts} == {"": head(work), **wanted}
    shutil.rmtree(lib.root)
    shutil.rmtree(deep.root)
    checkout(work.root, head(work), tmp_path / "one", work.env)
    clone = Working(tmp_path / "one", tmp_path / "other-home")
    assert set(names(clone.select())) - {".gitmodules", "libs/lib/.gitmodules"} == whole.keys()
    shutil.rmtree(work.root / "libs")  # as if they had never been checked out: .git/modules still has them
    checkout(work.root, head(work), tmp_path / "two", work.env, wanted)
    assert clone.select().digest == Working(tmp_path / "two", tmp_path / "other-home").select().digest


def test_only_the_submodules_that_were_there_are_taken_at_the_commits_they_were_at(
    work: Working, tmp_path: Path
) -> None:
    lib, _ = add_submodule(work, tmp_path)
    work.git("checkout", "-q", "HEAD~", at="libs/lib")
    earlier = head(work, "libs/lib")
    assert earlier != head(lib)
    checkout(work.root, head(work), tmp_path / "none", work.env, {})
    assert not (tmp_path / "none" / "libs/lib/lib.txt").exists()
    checkout(work.root, head(work), tmp_path / "clone", work.env, {"libs/lib": earlier})
    assert head(Working(tmp_path / "clone", work.data), "libs/lib") == earlier


def test_all_that_is_missing_is_said_at_once(work: Working, tmp_path: Path) -> None:
    lib, deep = add_submodule(work, tmp_path)
    nowhere = "1" * 40
    wanted = {"libs/lib": head(lib), "libs/lib/deep": nowhere, "other": head(deep)}
    with pytest.raises(CommitGone) as caught:
        checkout(work.root, head(work), tmp_path / "clone", work.env, wanted)
    places = f"{work.root}/libs/lib/deep, {work.root}/.git/modules/libs/lib/modules/deep"
    assert caught.value.missing == (
        f"commit {nowhere} of the submodule libs/lib/deep: not in {places}",
        f"commit {head(deep)} of the submodule other: commit {head(work)} has no such submodule",
    )
    assert not (tmp_path / "clone").exists()
    shutil.rmtree(work.root / "libs")
    shutil.rmtree(work.root / ".git" / "modules")
    with pytest.raises(CommitGone) as caught:
        checkout(work.root, head(work), tmp_path / "clone", work.env)
    assert caught.value.missing == (
        f"commit {head(lib)} of the submodule libs/lib: no repository of it is here",
    )


@pytest.mark.parametrize("commit", ["2" * 40, "HEAD", "--help", "", "main", "2" * 39])
def test_a_commit_is_an_id_that_the_repository_has(work: Working, tmp_path: Path, commit: str) -> None:
    work.commit(FILES)
    with pytest.raises(CommitGone) as caught:
        checkout(work.root, commit, tmp_path / "clone", work.env)
    assert caught.value.missing == (f"commit {commit}: not in {work.root}",)


def test_a_tree_isnt_a_commit_nor_is_a_commit_whole_that_lacks_a_file(work: Working, tmp_path: Path) -> None:
    work.commit(FILES)
    with pytest.raises(CommitGone):
        checkout(work.root, work.git("rev-parse", "HEAD:").strip(), tmp_path / "clone", work.env)
    blob = work.git("rev-parse", "HEAD:a.txt").strip()
    (work.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(CommitGone, match="can't be checked out"):
        checkout(work.root, head(work), tmp_path / "clone", work.env)


def test_no_git_and_no_repository_are_missing_too(work: Working, tmp_path: Path) -> None:
    with pytest.raises(CommitGone, match="there is no git repository at"):
        checkout(tmp_path, "1" * 40, tmp_path / "clone", work.env)
    work.commit(FILES)
    with pytest.raises(CommitGone, match="no git on the PATH"):
        checkout(work.root, head(work), tmp_path / "clone", {**work.env, "PATH": str(tmp_path)})


def test_a_repository_with_other_ids(work: Working, tmp_path: Path) -> None:
    work.git("init", "-q", "--object-format=sha256")
    work.commit(FILES)
    checkout(work.root, head(work), tmp_path / "clone", work.env)
    assert files(tmp_path / "clone") == FILES
