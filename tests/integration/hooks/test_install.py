"""The hook's file: put where git looks for it, and taken away so that all is as it was."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.integration.hooks.conftest import SHOW, MakeRepo, Repo

HOOK = ".git/hooks/pre-commit"


def look(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """All that is in a folder: modes, and what is in files and links."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content: bytes | str = b""
        if stat.S_ISLNK(mode):
            content = str(path.readlink())
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def commit(repo: Repo, text: str, cwd: Path | None = None) -> list[str]:
    """What the hooks say of a commit that they let pass."""
    ((cwd or repo.root) / "a.txt").write_text(f"{text}\n")
    return repo.ok("commit", "-q", "-am", text, cwd=cwd).split()


@pytest.mark.parametrize("kind", ["none", "no folder", "sh", "python", "link", "not executable", "bare text"])
def test_what_was_there_is_called_first_and_comes_back(make_repo: MakeRepo, kind: str) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    hooks, path = repo.top / ".git/hooks", repo.top / HOOK
    for sample in hooks.iterdir():
        sample.unlink()
    if kind == "no folder":
        hooks.rmdir()
    elif kind == "link":
        (repo.top / ".git/own").write_text("#!/bin/sh\necho old\n")
        (repo.top / ".git/own").chmod(0o700)
        path.symlink_to("../own")
    elif kind != "none":
        shebang = {"python": "#!/usr/bin/env python3\nprint('old')\n", "bare text": "echo old\n"}
        path.write_text(shebang.get(kind, "#!/bin/sh\necho old\n"))
        path.chmod(0o644 if kind == "not executable" else 0o751)
    before = look(repo.top / ".git")
    repo.install()
    first = look(repo.top / ".git")
    again = repo.buildbox("hook", "install")
    assert "already there" in again.err
    assert look(repo.top / ".git") == first
    said = commit(repo, "x")
    is_called = kind in ("sh", "python", "link", "bare text")
    assert said[:2] == (["old", "x"] if is_called else ["x", "a.txt"])
    assert repo.buildbox("hook", "uninstall").status == 0
    after = look(repo.top / ".git")
    assert after.keys() ^ before.keys() <= {name for name in after if name.startswith(("objects", "logs"))}
    hooked = {name: found for name, found in after.items() if name.startswith("hooks")}
    assert hooked == {name: found for name, found in before.items() if name.startswith("hooks")}


def test_a_hook_that_was_there_can_refuse_the_commit(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    (repo.top / HOOK).write_text("#!/bin/sh\necho 'no: '\"$0\"; exit 3\n")
    (repo.top / HOOK).chmod(0o755)
    repo.install()
    (repo.top / "a.txt").write_text("2\n")
    done = repo.git("commit", "-qam", "x")
    assert done.status == 1
    assert done.err.startswith("no: ")
    assert "2\n" not in done.err, "the tasks didn't run"


def test_buildbox_is_found_with_the_path_of_an_editor(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.install()
    assert commit(repo, "2")[0] == "2"
    text = (repo.top / HOOK).read_text()
    facts = json.loads(text.split("# facts: ")[1].splitlines()[0])
    gone = tmp_path / "it's gone/buildbox"
    (repo.top / HOOK).write_text(text.replace(facts["program"][0], "/nowhere/buildbox"))
    (repo.top / "a.txt").write_text("3\n")
    done = repo.git("commit", "-qam", "x")
    assert done.status == 1
    assert "neither /nowhere/buildbox nor one on the PATH" in done.err
    assert "git commit --no-verify" in done.err
    gone.parent.mkdir()
    gone.symlink_to(facts["program"][0])
    done = repo.git("commit", "-qam", "x", env={"PATH": f"{gone.parent}:/usr/bin:/bin"})
    assert (done.status, done.err.split()[0]) == (0, "3"), done.err


def test_worktrees_share_it_and_each_runs_its_own(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    side = tmp_path / "side"
    repo.ok("worktree", "add", "-q", str(side))
    assert repo.buildbox("hook", "install", cwd=side).status == 0
    assert (repo.top / HOOK).exists()
    assert commit(repo, "main")[0] == "main"
    assert commit(repo, "side", side)[0] == "side"
    assert repo.buildbox("hook", "uninstall", cwd=side).status == 0
    assert not (repo.top / HOOK).exists()


def test_several_projects_of_one_repository(make_repo: MakeRepo) -> None:
    repo = make_repo(inside="it's one", **{"it's one/a.txt": "1\n"})
    config = (repo.root / ".buildbox.toml").read_text()
    repo.write({"two/.buildbox.toml": config, "two/a.txt": "1\n"})
    repo.ok("add", "-A")
    repo.install()
    added = repo.buildbox("hook", "install", "--json", cwd=repo.top / "two")
    assert json.loads(added.out)["projects"] == ["it's one", "two"]
    (repo.root / "a.txt").write_text("one\n")
    (repo.top / "two/a.txt").write_text("two\n")
    said = repo.ok("commit", "-q", "-am", "x").split()
    assert (said[0], said[2]) == ("one", "two")
    assert "still there for two" in repo.buildbox("hook", "uninstall").err
    (repo.root / "a.txt").write_text("one\n")
    (repo.top / "two/a.txt").write_text("2\n")
    assert repo.ok("commit", "-q", "-am", "x").split()[0] == "2"
    assert "it is there for two" in repo.buildbox("hook", "uninstall").err
    (repo.top / "two/.buildbox.toml").unlink()
    repo.write({".buildbox.toml": config})
    assert repo.buildbox("hook", "uninstall", cwd=repo.top / "two").status == 0
    assert not (repo.top / HOOK).exists()


def test_hooks_of_other_repositories_are_left_alone(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    shared = tmp_path / "shared"
    shared.mkdir()
    for scope in ("--global", "--local"):
        repo.ok("config", scope, "core.hooksPath", str(shared))
        done = repo.buildbox("hook", "install")
        assert done.status == 2
        assert f"core.hooksPath = {shared}" in done.err
        assert f"git config core.hooksPath {repo.top}/.git/hooks" in done.err
    repo.ok("config", "--unset", "core.hooksPath")
    repo.ok("config", "--global", "--unset", "core.hooksPath")
    hooks = repo.top / ".git/hooks"
    hooks.rename(tmp_path / "own")
    hooks.symlink_to(shared)
    assert f".git/hooks, a link to {shared}, isn't" in repo.buildbox("hook", "install").err
    hooks.unlink()
    assert list(shared.iterdir()) == []
    repo.ok("config", "--global", "core.hooksPath", str(shared))
    repo.ok("config", "core.hooksPath", f"{repo.top}/.git/hooks")
    repo.install()
    assert commit(repo, "2")[0] == "2"


def test_a_folder_of_hooks_in_the_working_tree(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n", "hooks/commit-msg": "#!/bin/sh\n", ".gitignore": "private/\n"})
    repo.ok("config", "core.hooksPath", "hooks")
    done = repo.buildbox("hook", "install")
    assert (done.status, "a hook there would be committed" in done.err) == (2, True)
    repo.ok("config", "core.hooksPath", "untracked")
    assert repo.buildbox("hook", "install").status == 2
    repo.ok("config", "core.hooksPath", "private/hooks")
    repo.install()
    assert (repo.top / "private/hooks/pre-commit").exists()
    assert commit(repo, "2")[0] == "2"
    assert repo.buildbox("hook", "uninstall").status == 0
    assert not (repo.top / "private/hooks").exists()


def test_what_cannot_be_put_there(make_repo: MakeRepo) -> None:
    repo = make_repo('[tasks.t]\nrun = "true"', **{"a.txt": "1\n"})
    done = repo.buildbox("hook", "install")
    assert (done.status, 'pre-commit = ["t"]' in done.err) == (2, True)
    assert "no commit hook" in repo.buildbox("hook", "uninstall").err
    pin = (repo.root / ".buildbox.toml").read_text().split("[tasks")[0]
    repo.write({".buildbox.toml": f"{pin}{SHOW}"})
    repo.install()
    (repo.top / HOOK).write_text("#!/bin/sh\n# mine now\n")
    (repo.top / ".git/hooks/pre-commit.before-buildbox").write_text("#!/bin/sh\n")
    assert "which one counts?" in repo.buildbox("hook", "install").err
    for path in (repo.top / ".git/hooks").iterdir():
        path.unlink()
    (repo.top / ".git/hooks").rmdir()
    (repo.top / ".git/hooks").write_text("a file")
    done = repo.buildbox("hook", "install")
    assert (done.status, "can't be changed" in done.err) == (2, True)


FRAMEWORK = """#!/bin/sh
# pre-commit hook-impl
[ -z "$PRE_COMMIT_RUNNING_LEGACY" ] || exit 9
echo framework
[ ! -x "$0.legacy" ] || PRE_COMMIT_RUNNING_LEGACY=1 "$0.legacy"
"""


@pytest.mark.parametrize("first", [True, False])
def test_the_pre_commit_framework_comes_first_or_second(make_repo: MakeRepo, first: bool) -> None:
    """Its hook is one like any other; when it comes second, it keeps ours as pre-commit.legacy."""
    repo = make_repo(**{"a.txt": "1\n"})
    path, legacy = repo.top / HOOK, repo.top / f"{HOOK}.legacy"

    def install_framework() -> None:
        if path.exists():
            path.rename(legacy)
        path.write_text(FRAMEWORK)
        path.chmod(0o755)

    if first:
        install_framework()
    repo.install()
    assert commit(repo, "2")[:2] == (["framework", "2"] if first else ["2", "a.txt"])
    install_framework()
    assert "already there" in repo.buildbox("hook", "install").err
    assert commit(repo, "3")[:2] == ["framework", "3"]
    assert repo.buildbox("hook", "uninstall").status == 0
    assert path.read_text() == FRAMEWORK
    assert legacy.exists() == first, "what it was given to keep"
