"""A toolchain of the catalogue, with git, ssh and login shells, for a uid that it never heard of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildbox.recipes.record import recorded_pin
from tests.integration.run.conftest import CALLERS
from tests.support.project import REPOSITORY, Caller, Project, lend_archive, let_others_pass

TASKS = """
[tasks.who]
run = '''
whoami
python3 -c "import getpass, os; print(getpass.getuser(), os.path.expanduser('~build'))"
python3 -c "import socket; print(socket.gethostbyname(socket.gethostname()))"
ssh-keygen -q -t ed25519 -N "" -f /tmp/key && head -c 11 /tmp/key.pub && echo
ssh -V 2>&1 | cut -d_ -f1
bash -l -c 'echo "$HOME $USER"; cd; pwd'
'''
[tasks.status]
run = '''
git status --porcelain
git log --format=%s
git rev-parse --show-toplevel
'''
[tasks.commit]
run = "git -c user.name=n -c user.email=e commit -qam inside"
"""


@pytest.fixture(params=CALLERS, ids=lambda caller: "root" if caller.uid == 0 else "user")
def project(request: pytest.FixtureRequest, catalogue_archive: Path, tmp_path: Path) -> Project:
    """A git repository with one commit, of each kind of caller."""
    caller: Caller = request.param
    let_others_pass(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    lend_archive(catalogue_archive, home, caller)
    project = Project(tmp_path / "project", home, caller)
    project.root.mkdir()
    pin = recorded_pin(REPOSITORY / "images/python/3.11")
    project.write({".buildbox.toml": f'[toolchains.python]\nimage = "{pin}"\n{TASKS}', "tracked": "1\n"})
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    project.own()
    return project


def git(project: Project, *args: str, cwd: Path | None = None) -> str:
    """git on the host, as whoever runs the tests."""
    settings = project.home / "gitconfig"
    settings.write_text('[user]\nname=t\nemail=t\n[safe]\ndirectory=*\n[protocol "file"]\nallow=always\n')
    env = {**os.environ, "GIT_CONFIG_GLOBAL": str(settings)}
    done = subprocess.run(
        ["git", *args], cwd=cwd or project.root, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_tools_that_ask_who_they_are(project: Project) -> None:
    out = project.ok("run", "who").splitlines()
    assert out[0] == "build"
    assert out[1].split() == ["build", "/home/build"]
    assert out[2] == "127.0.0.1"
    assert out[3:5] == ["ssh-ed25519", "OpenSSH"]
    assert out[5:] == ["/home/build build", "/home/build"]


def test_git_works(project: Project) -> None:
    project.write({"tracked": "2\n", "new": ""})
    assert project.ok("run", "status").splitlines() == [" M tracked", "?? new", "first", "/src"]


def test_sources_of_another_owner(project: Project) -> None:
    """As in many CI systems: no "dubious ownership"."""
    if project.caller.uid == 0:
        subprocess.run(["chown", "-R", "4242:4242", str(project.root)], check=True)
    assert project.ok("run", "status").splitlines() == ["first", "/src"]


def test_a_task_cannot_write_into_the_repository(project: Project) -> None:
    """A hook or a setting that it wrote there would run on the host."""
    project.write({"tracked": "2\n"})
    assert project.run("run", "commit").status != 0
    plant = "echo 'touch /tmp/owned' > .git/hooks/post-checkout || mv .git away || rm -rf .git"
    assert project.run("exec", "python", "--", "sh", "-c", plant).status != 0
    assert git(project, "log", "--format=%s").split() == ["first"]
    assert not (project.root / ".git/hooks/post-checkout").exists()
    project.ok("run", "--allow", "git", "commit")
    assert git(project, "log", "--format=%s").split() == ["inside", "first"]


def test_worktree(project: Project, tmp_path: Path) -> None:
    tree = tmp_path / "a worktree"
    git(project, "worktree", "add", "-q", "-b", "other", str(tree))
    (tree / "new").touch()
    there = Project(tree, project.home, project.caller)
    there.own()
    project.own()
    assert there.ok("run", "status").splitlines() == ["?? new", "first", "/src"]
    assert "other" in there.ok("exec", "python", "--", "git", "branch", "--show-current")


def test_submodule(project: Project, tmp_path: Path) -> None:
    top = tmp_path / "top"
    git(project, "init", "-q", "-b", "main", str(top))
    git(project, "submodule", "--quiet", "add", str(project.root), "parts/sub", cwd=top)
    (top / "parts/sub/new").touch()
    there = Project(top / "parts/sub", project.home, project.caller)
    subprocess.run(["chown", "-R", f"{project.caller.uid}:{project.caller.gid}", str(top)], check=True)
    assert there.ok("run", "status").splitlines() == ["?? new", "first", "/src"]
