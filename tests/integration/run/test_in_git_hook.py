"""`buildbox run` called by any hook of git's: what git tells its hooks must not lead it elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.run.conftest import MakeProject
from tests.support.checkout import GIT
from tests.support.project import Project

TASKS = """
[tasks.kept]
hermetic = true
source-date-epoch = "commit"
inputs = ["*.txt"]
outputs = ["out"]
run = "{ echo $SOURCE_DATE_EPOCH; ls *.txt; cat a.txt; env | grep ^GIT_ || true; } > out"
[tasks.mounted]
needs = ["kept"]
run = "cat out; env | grep ^GIT_ || true"
"""
# The first commit's time, by which the second one is built: it isn't there yet.
EPOCH = 1600000000


def git(project: Project, *line: str, cwd: Path | None = None) -> str:
    """What git says, stderr too; commits are of the year 2020."""
    date = f"{EPOCH} +0000"
    env = {**project.environment(), "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    done = subprocess.run(
        [*GIT, *line], cwd=cwd or project.root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_in_a_commit_hook(make_project: MakeProject, tmp_path: Path) -> None:
    """With an index of its own, for a commit of some files; in a worktree with GIT_DIR."""
    project = make_project(TASKS)
    project.write({"a.txt": "one\n", "b.txt": "", ".gitignore": ".buildbox/\nout\n"})
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    hook = project.root / ".git/hooks/pre-commit"
    call = f"{sys.executable} -m buildbox run kept mounted"
    hook.write_text(f"#!/bin/sh\nenv | grep ^GIT_INDEX_FILE=\nexec {call}\n")
    hook.chmod(0o755)
    other = tmp_path / "other"
    git(project, "worktree", "add", "-q", str(other))
    for number, (root, line) in enumerate([(project.root, ["a.txt"]), (other, ["-a"])]):
        (root / "a.txt").write_text(f"{number}\n")
        (root / "b.txt").write_text(f"{number}\n")
        said = git(project, "commit", "-m", "next", *line, cwd=root)
        assert "GIT_INDEX_FILE=" in said
        assert (root / "out").read_text() == f"{EPOCH}\na.txt\nb.txt\n{number}\n"
        assert f"| {number}\n" in said and "| GIT_" not in said


def test_git_dir_and_work_tree_of_another_repository(make_project: MakeProject, tmp_path: Path) -> None:
    """As `git rebase --exec`, `git submodule foreach` and shells leave them."""
    project = make_project(TASKS)
    project.write({"a.txt": "own\n"})
    git(project, "init", "-q")
    git(project, "add", "a.txt")
    git(project, "commit", "-q", "-m", "first")
    git(project, "init", "-q", str(tmp_path / "another"))
    lost = {"GIT_DIR": str(tmp_path / "another/.git"), "GIT_WORK_TREE": str(tmp_path / "another")}
    led = Project(project.root, project.home, env={**lost, "GIT_INDEX_FILE": "/nowhere/index"})
    led.ok("run", "kept")
    assert (project.root / "out").read_text() == f"{EPOCH}\na.txt\nown\n"
