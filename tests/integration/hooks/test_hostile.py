"""A repository whose `.git` a stranger made: `hook run` by hand gives its tasks nothing more."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.hooks.conftest import MakeRepo

LOOK = """
[hooks]
pre-commit = ["look"]
[tasks.look]
run = "ls /run/buildbox || true; cat /run/buildbox/staged/* || true"
"""


def test_what_a_link_in_git_leads_to_is_not_read(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(LOOK, **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    secret = tmp_path / "secret"
    secret.write_text("private\n")
    done = repo.hook()
    assert done.out.splitlines()[:2] == ["git", "staged"], done.err
    shared = repo.top / ".git/sharedindex.0123"
    shared.symlink_to(secret)
    done = repo.hook()
    assert (done.status, "private" in done.out + done.err, "symbolic links" in done.err) == (2, False, True)
    shared.unlink()
    head = repo.top / ".git/HEAD"
    head.unlink()
    head.symlink_to(f"refs/../../../{secret.name}")
    done = repo.hook()
    assert (done.status, "private" in done.out + done.err) == (2, False)


def test_another_repository_is_not_handed_in(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(LOOK, **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    other = tmp_path / "other"
    shutil.copytree(repo.top / ".git", other)
    (repo.top / ".git/commondir").write_text(f"{other}\n")
    done = repo.hook()
    assert (done.status, "staged" in done.out) == (0, False), done.err
    (repo.top / ".git/commondir").unlink()
    shutil.rmtree(repo.top / ".git")
    (repo.top / ".git").write_text(f"gitdir: {other}\n")
    done = repo.hook()
    assert (done.status, "staged" in done.out) == (0, False), done.err


def test_nor_another_ones_objects_as_a_submodules(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(LOOK, **{"a.txt": "1\n"})
    private = tmp_path / "private"
    private.mkdir()
    repo.ok("init", "-q", cwd=private)
    repo.ok("commit", "-q", "--allow-empty", "-m", "known to everyone", cwd=private)
    known = repo.ok("rev-parse", "HEAD", cwd=private).strip()
    repo.ok("update-index", "--add", "--cacheinfo", f"160000,{known},lib")
    (repo.top / "lib").mkdir()
    (repo.top / "lib/.git").write_text(f"gitdir: {private}/.git\n")
    done = repo.hook()
    assert (
        done.status,
        "the submodule lib names a repository that isn't sure to be its own" in done.err,
    ) == (2, True)
    (repo.top / "lib/.git").unlink()
    repo.ok("init", "-q", cwd=repo.top / "lib")
    shutil.rmtree(repo.top / "lib/.git/objects")
    (repo.top / "lib/.git/objects").symlink_to(private / ".git/objects")
    assert repo.hook().status == 2


def test_a_working_tree_elsewhere(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    repo.ok("config", "core.worktree", str(elsewhere))
    done = repo.hook()
    assert (done.status, "Look at core.worktree" in done.err) == (2, True)


def test_nothing_of_it_runs(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n", ".gitattributes": "*.txt filter=own diff=own\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 $* >> '{ran}'\ncat\n")
    program.chmod(0o755)
    for name in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        (repo.top / ".git/hooks" / name).write_text(program.read_text())
        (repo.top / ".git/hooks" / name).chmod(0o755)
    for key in ("filter.own.smudge", "filter.own.clean", "filter.own.process", "diff.own.textconv"):
        repo.ok("config", key, str(program))
    for key in ("core.fsmonitor", "diff.external", "core.pager", "core.alternateRefsCommand", "core.askPass"):
        repo.ok("config", key, str(program))
    ran.unlink(missing_ok=True)
    done = repo.hook()
    assert (done.status, done.out.split()[0]) == (0, "2"), done.err
    assert not ran.exists(), ran.read_text()
