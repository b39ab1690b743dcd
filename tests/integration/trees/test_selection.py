"""Which files are inputs, in all the states that a working tree can be in."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from buildbox.trees.committed import Committed
from buildbox.trees.git import GitFailed
from tests.integration.trees.working import Working, names

FILES = {"a.c": "int a;\n", "src/b.c": "int b;\n", "src/deep/c.c": "", ".gitignore": "*.o\nvendor/\n"}


def test_what_git_tracks_or_would_add(work: Working) -> None:
    work.commit(FILES)
    work.write({"new.c": "n", "src/x.o": "o", "vendor/v.c": "v", ".buildbox/logs/l": "l"})
    (work.root / "a.c").unlink()
    assert names(work.select()) == [".gitignore", "new.c", "src/b.c", "src/deep/c.c"]


def test_all_files_without_git(work: Working) -> None:
    work.write({**FILES, "src/x.o": "o", ".buildbox/l": "l", "src/.buildbox/l": "l", "lib/.git/HEAD": "x"})
    (work.root / "link").symlink_to("nowhere")
    (work.root / "empty").mkdir()
    assert names(work.select()) == [
        ".gitignore", "a.c", "link", "src/.buildbox/l", "src/b.c", "src/deep/c.c", "src/x.o"
    ]  # fmt: skip


def test_patterns_choose_from_what_git_sees(work: Working) -> None:
    work.commit(FILES)
    work.write({"src/x.o": "o", "vendor/v.c": "v", "vendor/.git/HEAD": "x", "vendor/deep/w.h": "w"})
    assert names(work.select("src/**")) == ["src/b.c", "src/deep/c.c"]
    assert names(work.select("**/*.c", "!src/deep")) == ["a.c", "src/b.c"]
    assert names(work.select("!src")) == [".gitignore", "a.c"]
    assert names(work.select("**", without=("src/deep/", "a.c"))) == [".gitignore", "src/b.c"]


def test_ignored_files_count_where_a_pattern_means_them(work: Working) -> None:
    work.commit(FILES)
    work.write({"src/x.o": "o", "vendor/v.c": "v", "vendor/.git/HEAD": "x", "vendor/deep/w.h": "w"})
    assert names(work.select("vendor/**")) == ["vendor/deep/w.h", "vendor/v.c"]
    assert names(work.select("vendor/deep", "src/x.o")) == ["src/x.o", "vendor/deep/w.h"]
    assert names(work.select("vendor/**/*.c", "a.c", "src/*.o")) == ["a.c", "vendor/v.c"]
    before = work.select("vendor").digest
    work.write({"vendor/v.c": "w"})
    assert work.select("vendor").digest != before


def test_patterns_that_match_nothing_are_told(work: Working) -> None:
    work.commit(FILES)
    os.mkfifo(work.root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(work.root / "socket"))
    tree = work.select("a.c", "*.h", "dist/x", "pipe", "socket", "src/nothing", without=("dist/",))
    assert names(tree) == ["a.c"]
    assert tree.unmatched == ("*.h", "pipe", "socket", "src/nothing")
    assert tree.notes == (
        "pipe is a pipe, which can't be an input",
        "socket is a socket, which can't be an input",
    )
    assert work.select("!nothing").unmatched == ()


@pytest.mark.parametrize("with_git", [True, False])
def test_no_name_is_strange(work: Working, with_git: bool) -> None:
    strange = ["-x", ":(top)y", "a b", "c\nd", "e\\f", "g\udcff", "h\tü", '"q"', "[x]", "I", "i", "*"]
    files = {name: name.encode(errors="surrogateescape") for name in strange}
    if with_git:
        work.commit(files)
        work.write({f"new/{name}": content for name, content in files.items()})
        (work.root / "a b").unlink()
        (work.root / "c\nd").write_text("changed")
    else:
        work.write(files)
    tree = work.select()
    assert len(tree.entries()) == (2 * len(strange) - 1 if with_git else len(strange))
    assert names(work.select(r"\[x\]", "c?d", "g*")) == ["[x]", "c\nd", "g\udcff"]


def test_pipes_and_sockets_are_left_out(work: Working) -> None:
    work.commit(FILES)
    (work.root / "a.c").unlink()
    os.mkfifo(work.root / "a.c")
    os.mkfifo(work.root / "other")
    assert names(work.select()) == [".gitignore", "src/b.c", "src/deep/c.c"]
    shutil.rmtree(work.root / ".git")
    assert names(work.select()) == [".gitignore", "src/b.c", "src/deep/c.c"]


def test_files_folders_and_links_take_each_others_place(work: Working, tmp_path: Path) -> None:
    work.commit({**FILES, "folder/x": "x", "folder/y": "y", "link": "a file"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("not of the project")
    shutil.rmtree(work.root / "folder")
    (work.root / "folder").symlink_to(outside)
    (work.root / "a.c").unlink()
    work.write({"a.c/below": "b"})
    (work.root / "link").unlink()
    (work.root / "link").symlink_to("a.c")
    work.git("update-index", "--skip-worktree", "folder/y")
    found = names(work.select())
    assert found == [".gitignore", "a.c/below", "folder", "link", "src/b.c", "src/deep/c.c"]
    assert names(work.select("folder/x")) == []


def test_what_is_half_in_the_index(work: Working) -> None:
    work.commit(FILES)
    work.git("checkout", "-q", "-b", "other")
    work.write({"a.c": "other"})
    work.git("commit", "-q", "-a", "-m", "other")
    work.git("checkout", "-q", "main")
    work.write({"a.c": "main"})
    work.git("commit", "-q", "-a", "-m", "main")
    work.git("merge", "other")
    work.write({"later.c": "later", "staged.c": "staged"})
    work.git("add", "-N", "later.c")
    work.git("add", "staged.c")
    work.write({"staged.c": "and changed"})
    work.git("rm", "-q", "--cached", "src/b.c")
    assert "<<<<<<<" in (work.root / "a.c").read_text()
    everything = [".gitignore", "a.c", "later.c", "src/b.c", "src/deep/c.c", "staged.c"]
    assert names(work.select()) == everything


def test_a_project_in_a_folder_of_a_repository(work: Working, tmp_path: Path) -> None:
    work.commit({"top": "t", "app/a": "a", "app/b": "b", "lib/x": "x", ".gitignore": "ignored/\n"})
    work.write({"new": "n", "app/new": "n", "ignored/app/x.o": "o"})
    app = Working(work.root / "app", tmp_path / "home")
    (app.root / "a").write_text("changed")
    assert names(app.select()) == ["a", "b", "new"]
    inside = Working(work.root / "ignored/app", tmp_path / "home")
    assert names(inside.select()) == ["x.o"], "the repository around it says nothing about it"


def test_repositories_inside(work: Working, tmp_path: Path) -> None:
    other = Working(tmp_path / "other", tmp_path / "home")
    other.commit({"o.c": "o", ".gitignore": "*.o\n"})
    work.commit(FILES)
    work.git("submodule", "--quiet", "add", str(other.root), "libs/other")
    work.git("commit", "-q", "-m", "with a submodule")
    work.git("clone", "-q", str(other.root), "beside")
    work.write({"libs/other/new": "n", "libs/other/x.o": "ignored there", "beside/o.c": "changed"})
    everything = names(work.select())
    assert everything == [
        ".gitignore", ".gitmodules", "a.c", "beside/.gitignore", "beside/o.c",
        "libs/other/.gitignore", "libs/other/new", "libs/other/o.c", "src/b.c", "src/deep/c.c",
    ]  # fmt: skip
    assert names(work.select("libs", "!libs/other/new")) == ["libs/other/.gitignore", "libs/other/o.c"]
    assert names(work.select("libs/other/x.o")) == ["libs/other/x.o"]
    work.git("submodule", "--quiet", "deinit", "-f", "--all")
    assert "libs/other/o.c" not in names(work.select())


@pytest.mark.parametrize("sparse_index", [[], ["--sparse-index"]])
def test_sparse_checkouts(work: Working, sparse_index: list[str]) -> None:
    work.commit({**FILES, "lib/x": "x", "lib/y/z": "z"})
    work.git("sparse-checkout", "set", "--cone", *sparse_index, "src")
    assert names(work.select()) == [".gitignore", "a.c", "src/b.c", "src/deep/c.c"]
    work.write({"lib/x": "back, and changed"})
    assert "lib/x" in names(work.select())


@pytest.mark.parametrize(
    "setup",
    [
        ["update-index", "--split-index"],
        ["update-index", "--untracked-cache"],
        ["update-index", "--index-version", "4"],
        ["config", "core.checkStat", "minimal"],
        ["config", "core.trustctime", "false"],
        ["config", "core.ignoreStat", "true"],
        ["config", "core.fileMode", "false"],
        ["config", "core.symlinks", "false"],
        ["config", "core.autocrlf", "true"],
        ["config", "status.showUntrackedFiles", "no"],
        ["config", "diff.ignoreSubmodules", "all"],
        ["config", "core.excludesFile", "/nonexistent"],
        ["config", "diff.external", "false"],
        ["config", "core.quotePath", "true"],
        ["config", "diff.noprefix", "true"],
    ],
)
def test_no_setting_of_gits_changes_what_is_told(work: Working, setup: list[str]) -> None:
    work.commit({**FILES, "crlf": "a\r\nb\r\n"})
    (work.root / "src/link").symlink_to("b.c")
    work.git(*setup)
    work.git("add", "-A")
    work.write({"a.c": "changed", "new/file": "n"})
    (work.root / "src/b.c").chmod(0o755)
    found = names(work.select())
    assert found == [".gitignore", "a.c", "crlf", "new/file", "src/b.c", "src/deep/c.c", "src/link"]


def test_worktrees_and_sha256_repositories(work: Working, tmp_path: Path) -> None:
    work.write(FILES)
    work.git("init", "-q", "--object-format=sha256")
    work.git("add", "-A")
    work.git("commit", "-q", "-m", "x")
    work.git("worktree", "add", "-q", str(tmp_path / "second"))
    second = Working(tmp_path / "second", tmp_path / "home")
    assert second.select().digest == work.select().digest
    assert second.look().commit() == work.look().commit()


def test_the_same_tree_anywhere(work: Working, tmp_path: Path) -> None:
    work.commit({**FILES, "run": "#!/bin/sh\n", "ü\udcff": "x"})
    (work.root / "run").chmod(0o744)
    (work.root / "link").symlink_to("run")
    work.git("add", "-A")
    work.git("commit", "-q", "-m", "y")
    digest = work.select().digest
    clone, copy, equal = (Working(tmp_path / name, tmp_path / f"home of {name}") for name in ("c", "d", "e"))
    for other in (clone, equal):
        other.git("clone", "-q", str(work.root), ".")
    shutil.copytree(
        work.root, copy.root, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
    )
    equal.git("rm", "-q", "--cached", "a.c")
    equal.write({"src/b.c": "something else"})
    equal.git("add", "src/b.c")
    equal.write(FILES)
    assert {other.select().digest for other in (clone, copy, equal)} == {digest}


def test_a_repository_without_commits_or_files(work: Working) -> None:
    work.git("init", "-q")
    assert names(work.select()) == []
    assert (work.look().commit(), work.look().commit_time()) == (None, None)
    work.write(FILES)
    assert len(names(work.select())) == len(FILES)


def test_the_commit(work: Working) -> None:
    work.commit(FILES)
    head, tree = work.git("rev-parse", "HEAD", "HEAD^{tree}").split()
    assert work.look().commit() == Committed(head, tree, True, "", {})
    assert work.look().commit_time() == 1234567890
    work.write({"new/a": "n", "new/b": "n"})
    assert work.look().commit() == work.look().commit(["new/a"]) == Committed(head, tree, False, "", {})
    assert work.look().commit(["new/*"]) == work.look().commit(["ne?"]) == Committed(head, tree, True, "", {})
    shutil.rmtree(work.root / ".git")
    assert (work.look().commit(), work.look().commit_time()) == (None, None)


def test_inputs_that_no_commit_can_have(work: Working) -> None:
    work.commit({**FILES, "vendor/tracked": "t", ".gitignore": ""})
    work.commit({".gitignore": "/vendor\n/made\n"})
    work.write({"vendor/loose": "l", "made/out": "o", "made/in": "i"})
    tree = work.look()

    def has_ignored(*inputs: str, without: tuple[str, ...] = ()) -> bool:
        tree.select(inputs or None, without)
        return tree.has_ignored(inputs or None, without)

    assert not has_ignored()
    assert not has_ignored("src/**", "vendor/tracked")
    assert not has_ignored("**")
    assert not has_ignored("vendor/**", "made/**", "!made/in", without=("made/out",))
    assert has_ignored("made/**", without=("made/out",))
    assert has_ignored("src", "vendor/loose")
    assert has_ignored("made")


def test_without_git_installed(work: Working, tmp_path: Path) -> None:
    work.commit(FILES)
    tree = work.look({"PATH": str(tmp_path / "empty")})
    with pytest.raises(GitFailed, match="no git on the PATH") as caught:
        tree.select(None, ())
    assert "inputs" in caught.value.hint
    assert names(tree.select(("src",), ())) == ["src/b.c", "src/deep/c.c"]
    assert tree.commit() is None


def test_when_git_refuses(work: Working) -> None:
    work.write({**FILES, ".git": "gitdir: /nowhere/at/all\n"})
    with pytest.raises(GitFailed, match="/nowhere/at/all"):
        work.look().select(None, ())
    assert names(work.look().select(("a.c",), ())) == ["a.c"]


def test_a_working_tree_that_is_elsewhere(work: Working, tmp_path: Path) -> None:
    work.commit(FILES)
    (tmp_path / "secrets").mkdir()
    work.git("config", "core.worktree", str(tmp_path / "secrets"))
    with pytest.raises(GitFailed):
        work.look().select(None, ())


def test_what_is_no_repository_is_none(work: Working) -> None:
    work.write({**FILES, ".git/readme": "not git's"})
    assert len(names(work.select())) == len(FILES)
