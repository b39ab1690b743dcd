"""Commits that the real pre-commit looks at with buildbox's hooks."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.precommit.conftest import MakeRepo, Repo
from tests.support.checkout import GIT

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
RUN = "  - id: buildbox-run\n"
LINT = """
[tasks.lint]
run = "! grep -n BAD *.txt"
[hooks]
pre-commit = ["lint"]
"""


def commits(repo: Repo) -> int:
    """How many there are."""
    return int(repo.ok("rev-list", "--count", "HEAD"))


def test_the_staged_lines_count_and_the_others_stay(make_repo: MakeRepo) -> None:
    repo = make_repo(LINT, RUN)
    repo.write({"a.txt": "good\n"})
    repo.ok("add", "a.txt")
    repo.write({"a.txt": "good\nBAD\n"})
    passed = repo.ok("commit", "-m", "second")
    assert re.search(r"buildbox run\.+Passed", passed), passed
    assert (repo.root / "a.txt").read_text() == "good\nBAD\n"
    repo.ok("add", "a.txt")
    repo.write({"a.txt": "good\n"})
    failed = repo.git("commit", "-m", "third")
    assert failed.status == 1 and commits(repo) == 2
    assert "- exit code: 1" in failed.err and "2:BAD" in failed.err, failed.err
    assert (repo.root / "a.txt").read_text() == "good\n"


@pytest.mark.parametrize("stdin", ["<&-", "<>silent"])
def test_an_editor_without_a_terminal_commits(make_repo: MakeRepo, tmp_path: Path, stdin: str) -> None:
    """git, called by a program without a terminal, whose stdin is closed or never says anything."""
    repo = make_repo(LINT, RUN)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "from the editor" > "$1"\n')
    editor.chmod(0o755)
    os.mkfifo(repo.root / "silent")
    repo.write({"a.txt": "good\n"})
    line = f'git add a.txt && exec "$@" {stdin}'
    done = repo.call("sh", "-c", line, "sh", *GIT, "commit", env={"GIT_EDITOR": str(editor)})
    assert done.status == 0, done.err
    assert repo.ok("log", "-1", "--format=%s") == "from the editor\n"


def test_a_commit_of_some_files_and_one_of_all(make_repo: MakeRepo) -> None:
    """git gives the hook an index of its own there."""
    repo = make_repo(LINT, RUN)
    repo.write({"a.txt": "good\n", "b.txt": "good\n"})
    repo.ok("add", "-A")
    repo.ok("commit", "-m", "second")
    repo.write({"a.txt": "better\n", "b.txt": "BAD\n"})
    assert repo.git("commit", "-a", "-m", "all").status == 1
    repo.ok("commit", "-m", "one", "a.txt")
    assert repo.ok("status", "--short") == " M b.txt\n"


def test_several_hooks_in_two_worktrees_at_once(make_repo: MakeRepo, tmp_path: Path) -> None:
    hooks = f"{RUN}  - id: buildbox-check\n  - id: buildbox-pins\n{RUN}    alias: again\n    args: [slow]\n"
    repo = make_repo(f'{LINT}\n[tasks.slow]\nrun = "sleep 1; cat a.txt"\n', hooks)
    other = tmp_path / "other"
    repo.ok("worktree", "add", "-q", "-b", "other", str(other))
    for root in (repo.root, other):
        (root / "a.txt").write_text("good\n")
        with (root / ".buildbox.toml").open("a") as config:
            config.write("# changed\n")
        repo.ok("add", "-A", cwd=root)

    def commit(root: Path) -> str:
        return repo.ok("commit", "-m", "second", cwd=root)

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(commit, (repo.root, other)))
    assert [text.count("Passed") for text in said] == [4, 4], said


def test_skip_and_no_verify(make_repo: MakeRepo) -> None:
    repo = make_repo(LINT, RUN)
    repo.write({"a.txt": "BAD\n"})
    repo.ok("add", "-A")
    assert "Skipped" in repo.ok("commit", "-m", "second", env={"SKIP": "buildbox-run"})
    repo.write({"a.txt": "BAD BAD\n"})
    repo.ok("commit", "-a", "-m", "third", "--no-verify")


def test_a_formatter_fails_the_commit_and_its_changes_are_there(make_repo: MakeRepo) -> None:
    """As pre-commit's users know it: look, add, commit again."""
    repo = make_repo("""[tasks.fmt]\nrun = "sed -i 's/ *$//' a.txt"\n""", f"{RUN}    args: [fmt]\n")
    repo.write({"a.txt": "trailing   \n"})
    repo.ok("add", "-A")
    failed = repo.git("commit", "-m", "second")
    assert failed.status == 1 and "files were modified by this hook" in failed.err
    assert (repo.root / "a.txt").read_text() == "trailing\n"
    repo.ok("add", "-A")
    repo.ok("commit", "-m", "second")


def test_no_engine_is_one_clear_line(make_repo: MakeRepo) -> None:
    repo = make_repo(LINT, RUN)
    repo.write({"a.txt": "good\n"})
    repo.ok("add", "-A")
    failed = repo.git("commit", "-m", "second", env=NO_ENGINE)
    assert failed.status == 1 and "- exit code: 120" in failed.err
    assert "--no-verify" in failed.err and "Traceback" not in failed.err, failed.err


def test_a_missing_image_is_not_fetched(make_repo: MakeRepo) -> None:
    pin = f"registry.example.com/tools/box:1@sha256:{'1' * 64}"
    repo = make_repo(LINT, RUN, image=pin)
    repo.write({"a.txt": "good\n"})
    repo.ok("add", "-A")
    failed = repo.git("commit", "-m", "second")
    assert failed.status == 1 and "- exit code: 121" in failed.err
    assert "git commit --no-verify" in failed.err, failed.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('[services.db]\nimage = "docker.io/postgres:16"\n', {"check": 121, "pins": 121}),
        ("[tasks.t]\nrnu = 1\n", {"check": 2, "pins": 2}),
        ('[tasks.t]\ntoolchain = "box"\nrun = "true"\n# fine\n', {}),
    ],
)
def test_the_configuration_is_looked_at_when_it_changes(
    make_repo: MakeRepo, line: str, told: dict[str, int]
) -> None:
    repo = make_repo(LINT, "  - id: buildbox-check\n  - id: buildbox-pins\n")
    with (repo.root / ".buildbox.toml").open("a") as config:
        config.write(line)
    repo.ok("add", "-A")
    done = repo.git("commit", "-m", "second", env=NO_ENGINE)  # they need no engine
    found = dict(re.findall(r"- hook id: buildbox-(\w+)\n- exit code: (\d+)", done.err))
    assert {name: int(status) for name, status in found.items()} == told, done.err
    assert done.status == bool(told)


def test_try_repo(make_repo: MakeRepo, clone: Path) -> None:
    """As somebody tries hooks before they are in any configuration."""
    repo = make_repo(LINT, RUN)
    repo.write({"a.txt": "good\n"})
    repo.ok("add", "-A")
    done = repo.pre_commit("try-repo", str(clone), "buildbox-run", "--verbose")
    assert done.status == 0, done.out + done.err
    assert re.search(r"buildbox run\.+Passed", done.out)
