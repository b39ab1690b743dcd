"""What stops a commit, and what a person is told then: one clear line, and how to go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.hooks.conftest import SHOW, MakeRepo

ANYWAY = "git commit --no-verify"


def test_a_task_that_fails_stops_the_commit(make_repo: MakeRepo) -> None:
    repo = make_repo('[hooks]\npre-commit = ["no"]\n[tasks.no]\nrun = "echo why; exit 5"', **{"a.txt": "1\n"})
    repo.install()
    repo.write({"a.txt": "2\n"})
    done = repo.git("commit", "-qam", "x")
    assert (done.status, done.err.splitlines()[0]) == (1, "why")
    assert repo.hook().status == 0, "nothing was staged"
    repo.ok("add", "a.txt")
    assert repo.hook().status == 5
    assert repo.git("commit", "--no-verify", "-qam", "x").status == 0


def test_nothing_of_what_a_task_changes_is_taken(make_repo: MakeRepo) -> None:
    tasks = '[hooks]\npre-commit = ["fmt"]\n[tasks.fmt]\nrun = "echo f > a.txt; rm b.txt; echo n > new.txt; '
    tasks += 'echo ignored > c.log; chmod +x d.txt; touch e.txt"'
    files = {f"{name}.txt": "1\n" for name in "abde"}
    repo = make_repo(
        tasks, **files, **{".gitignore": "*.log\n", "crlf.bat": "1\r\n", ".gitattributes": "*.bat -text"}
    )
    repo.write({"a.txt": "2\n", ".gitattributes": "*.bat text\n"})  # so that git would store it otherwise
    repo.ok("add", "a.txt", ".gitattributes")
    done = repo.hook()
    assert done.status == 1
    assert done.err == (
        "buildbox: 3 staged files were changed by a task, and nothing of that is taken:\n"
        "  a.txt\n  b.txt\n  d.txt\n"
        "  Run that task yourself (buildbox run TASK), `git add` what it changes, and commit again.\n"
    )
    assert repo.ok("status", "--short") == "M  .gitattributes\nM  a.txt\n M crlf.bat\n"
    assert (repo.top / "a.txt").read_text() == "2\n"


def test_without_a_configuration(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.install()
    repo.write({"a.txt": "2\n"})
    repo.ok("rm", "-q", "--cached", ".buildbox.toml")
    done = repo.git("commit", "-qam", "x")
    assert (done.status, done.err) == (
        1,
        "buildbox: .buildbox.toml isn't staged, so the commit wouldn't have it\n  git add .buildbox.toml\n",
    )
    (repo.top / ".buildbox.toml").unlink()
    done = repo.git("commit", "-qam", "x")
    assert done.err.startswith("buildbox: there is no .buildbox.toml in what is staged\n")
    assert "hook uninstall" in done.err
    assert repo.buildbox("hook", "uninstall").status == 0
    assert repo.git("commit", "-qam", "x").status == 0


def test_the_configuration_is_the_staged_one(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    good = (repo.top / ".buildbox.toml").read_text()
    repo.write({"a.txt": "2\n", ".buildbox.toml": good + "\n[tasks.x]\nrn = 'x'\n"})
    repo.ok("add", "-A")
    repo.write({".buildbox.toml": good})
    done = repo.hook()
    assert done.status == 2
    assert "2 problems (as it is staged)\n" in done.err
    assert "unknown key 'rn'; did you mean 'run'?" in done.err
    repo.ok("add", "-A")
    repo.write({".buildbox.toml": "broken"})
    assert repo.hook().status == 0


@pytest.mark.parametrize("hooks", ["", "[hooks]\npre-commit = []\n"])
def test_no_tasks_for_the_hook(make_repo: MakeRepo, hooks: str) -> None:
    repo = make_repo(f'{hooks}[tasks.t]\nrun = "echo ran"', **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "-A")
    done = repo.hook()
    if hooks:
        assert (done.status, done.err) == (0, "buildbox: [hooks] pre-commit names no task, so nothing runs\n")
    else:
        assert done.status == 2
        assert "names no tasks for the commit hook" in done.err
    assert repo.hook("t").out == "ran\n"
    assert repo.hook("t", "--", "and more").out == "ran and more\n"
    assert repo.buildbox("hook", "install").status == 2


def test_conflicts_in_the_index_and_a_merge_and_a_rebase(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.install()
    repo.ok("checkout", "-q", "-b", "side")
    repo.write({"a.txt": "side\n"})
    repo.ok("commit", "-qam", "side")
    repo.ok("checkout", "-q", "main")
    repo.write({"a.txt": "main\n"})
    repo.ok("commit", "-qam", "main")
    assert repo.git("merge", "-q", "side").status == 1
    done = repo.hook()
    assert (done.status, done.err.splitlines()[0]) == (
        2,
        "buildbox: the index has conflicts, so there is nothing yet to commit: a.txt",
    )
    repo.write({"a.txt": "both\n"})
    assert repo.ok("commit", "-qam", "merged").split()[0] == "both"
    repo.ok("checkout", "-q", "side")
    repo.ok("checkout", "-q", "-b", "third", "main~2")
    repo.write({"a.txt": "third\n"})
    repo.ok("commit", "-qam", "third")
    assert repo.git("rebase", "-q", "side").status == 1
    repo.write({"a.txt": "rebased\n"})
    assert repo.ok("commit", "-qam", "rebased").split()[0] == "rebased"


def test_where_no_commit_can_be_made(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    assert "has no working tree" in repo.hook(cwd=repo.top / ".git").err
    repo.ok("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    done = repo.hook(cwd=tmp_path / "bare")
    assert (done.status, "has no working tree: it is a bare repository" in done.err) == (2, True)
    done = repo.hook(cwd=tmp_path)
    assert (done.status, "is in no git repository" in done.err) == (2, True)
    done = repo.hook(env={"PATH": "/nonexistent"})
    assert (done.status, done.err) == (2, "buildbox: there is no git on the PATH\n  Install git.\n")


def test_without_an_engine(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.install()
    repo.write({"a.txt": "2\n"})
    env = {"DOCKER_HOST": "unix:///nowhere/to/be/found.sock"}
    done = repo.git("commit", "-qam", "x", env=env)
    assert done.status == 1
    assert "/nowhere/to/be/found.sock" in done.err.splitlines()[0]
    assert done.err.count(ANYWAY) == 1
    assert len([line for line in done.err.splitlines() if line.startswith("buildbox:")]) == 1
    assert list((repo.top / ".buildbox/state/stage").iterdir()) == []


def test_a_hook_fetches_nothing(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    missing = "registry.invalid/tools:1@sha256:" + "0" * 64
    repo.write({".buildbox.toml": f'[toolchains.tools]\nimage = "{missing}"\n{SHOW}'})
    repo.ok("add", "-A")
    done = repo.hook()
    assert done.status == 121
    assert done.err == (
        f"buildbox: not on this machine, and a commit hook fetches nothing: the image of tools ({missing})\n"
        "  Get it with: buildbox archive restore tools\n"
        f"  To commit without the check: {ANYWAY}\n"
    )
    done = repo.hook("-C", str(repo.top), cwd=repo.home)
    assert f"Get it with: buildbox -C {repo.top} archive restore tools" in done.err
    assert "registry: registry.invalid" in repo.hook("--fetch").err
    installed = repo.buildbox("hook", "install")
    assert installed.status == 0
    assert "Get it with: buildbox archive restore tools" in installed.err
    repo.write({".buildbox.toml": f'[toolchains.tools]\nimage = "registry.invalid/tools:1"\n{SHOW}'})
    repo.ok("add", "-A")
    done = repo.hook()
    assert (done.status, "is not pinned" in done.err) == (121, True)


def test_a_full_disk(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    state = repo.top / ".buildbox/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(state)], check=True)
    try:
        repo.write({"large.txt": "x" * 300_000})
        repo.ok("add", "large.txt")
        done = repo.hook()
        assert (done.status, list((state / "stage").iterdir())) == (2, [])
        assert f"what is staged can't be copied to {state}" in done.err
        assert "room" in done.err
        repo.write({"large.txt": "fits\n"})
        repo.ok("add", "large.txt")
        assert repo.hook().status == 0
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_stdin_is_nobodys_and_nothing_is_drawn(make_repo: MakeRepo) -> None:
    tasks = '[hooks]\npre-commit = ["read", "more"]\n[tasks.more]\nrun = "cat"\n'
    tasks += '[tasks.read]\nrun = "cat; test ! -t 0; test ! -t 1"'
    repo = make_repo(tasks, **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "-A")
    for line in ([], ["read"]):
        command = [sys.executable, "-m", "buildbox", "hook", "run", *line]
        # script(1) gives it a terminal that nobody types on
        done = subprocess.run(
            ["script", "-qec", " ".join(command), "/dev/null"],
            cwd=repo.root,
            env={**repo.environment(), "TERM": "xterm"},
            stdin=subprocess.PIPE,
            capture_output=True,
            timeout=40,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert b"\x1b[" not in done.stdout.replace(b"\x1b[1m", b"").replace(b"\x1b[0m", b"")


def test_a_copy_that_a_killed_hook_left_goes_with_the_next(make_repo: MakeRepo) -> None:
    repo = make_repo('[tasks.wait]\nrun = "echo here; sleep 60"\n[tasks.t]\nrun = "true"', **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "-A")
    stages = repo.top / ".buildbox/state/stage"
    hook = subprocess.Popen(
        [sys.executable, "-m", "buildbox", "hook", "run", "wait"],
        cwd=repo.root,
        env=repo.environment(),
        stdout=subprocess.PIPE,
    )
    assert hook.stdout and hook.stdout.readline() == b"here\n"
    assert len(list(stages.iterdir())) == 1
    assert repo.hook("t").status == 0
    assert len(list(stages.iterdir())) == 1, "it is alive"
    hook.send_signal(signal.SIGKILL)
    hook.wait()
    hook.stdout.close()
    assert repo.hook("t").status == 0
    assert list(stages.iterdir()) == []


def test_by_hand_no_filter_of_the_repository_runs(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "plain\n", ".gitattributes": "*.txt filter=own\n"})
    ran = tmp_path / "ran"
    repo.ok("config", "filter.own.smudge", f"touch {ran}; tr a-z A-Z")
    repo.write({"b.txt": "new\n"})
    repo.ok("add", "b.txt")
    assert repo.hook().out.split()[:2] == ["plain", "new"]
    assert not ran.exists()
    repo.install()
    assert repo.ok("commit", "-qm", "x").split()[:2] == ["PLAIN", "NEW"]
    assert ran.exists()


def test_a_filter_that_can_not_be_turned_off_is_refused(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "plain\n", ".gitattributes": "*.txt filter=o=wn\n"})
    ran = tmp_path / "ran"
    repo.ok("config", "filter.o=wn.smudge", f"touch {ran}; tr a-z A-Z")
    repo.write({"b.txt": "new\n"})
    repo.ok("add", "b.txt")
    done = repo.hook()
    assert (done.status, "has a filter of the name" in done.err) == (2, True)
    assert not ran.exists()


def test_the_working_tree_as_it_is(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.write({"a.txt": "unstaged\n"})
    assert repo.hook("--worktree").out.split() == ["unstaged", "a.txt"]
