"""Repositories in which somebody commits, with a project whose tasks run in a busybox image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.project import ME, REPOSITORY, Caller, Result, keep_image
from tests.support.tiny_image import tiny_image

MakeRepo = Callable[..., "Repo"]
SHOW = """
[hooks]
pre-commit = ["show"]
[tasks.show]
run = "cat *.txt; ls"
"""


@dataclass(frozen=True)
class Repo:
    """A repository with a project in it, and the environment in which somebody works there."""

    top: Path
    home: Path  # the caller's, and buildbox's
    inside: str = "."  # where the project is
    env: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = ME

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.top / self.inside

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """A small plain one: nothing of the test run's own leaks in."""
        engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "BUILDBOX_HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY),
            "GIT_CONFIG_NOSYSTEM": "1",
            **engine,
            **self.env,
            **(more or {}),
        }

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files below the top."""
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def call(self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """A command, by somebody who has no terminal."""
        done = subprocess.run(
            self.caller.command(command),
            cwd=cwd or self.root,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=50,
        )
        out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="surrogateescape")
        return Result(done.returncode, out, err)

    def buildbox(self, *line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """buildbox, as it is in this checkout."""
        return self.call(sys.executable, "-m", "buildbox", *line, cwd=cwd, env=env)

    def hook(self, *line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """`buildbox hook run`."""
        return self.buildbox("hook", "run", *line, cwd=cwd, env=env)

    def git(self, *line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """git."""
        return self.call("git", *line, cwd=cwd or self.top, env=env)

    def ok(self, *line: str, cwd: Path | None = None) -> str:
        """All that a git command says that succeeds."""
        done = self.git(*line, cwd=cwd)
        assert done.status == 0, f"{line}: {done.out}{done.err}"
        return done.out + done.err

    def install(self) -> None:
        """Has git call the hook."""
        done = self.buildbox("hook", "install")
        assert done.status == 0, done.err


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """Makes a repository with the tasks in a TOML text, committed together with `files`."""

    def make(tasks: str = SHOW, *, inside: str = ".", commit: bool = True, **files: str) -> Repo:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        (home / ".gitconfig").write_text("[user]\nname = x\nemail = x@example.com\n")
        pin = keep_image(home, tiny_image(), "tests/busybox:1")
        repo = Repo(tmp_path / "repo", home, inside)
        repo.root.mkdir(parents=True)
        repo.write({f"{inside}/.buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n{tasks}', **files})
        repo.ok("init", "-q", "-b", "main")
        repo.ok("add", "-A")
        if commit:
            repo.ok("commit", "-q", "-m", "first")
        return repo

    return make
