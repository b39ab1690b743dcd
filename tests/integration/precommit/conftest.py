"""Repositories whose commits the real pre-commit looks at, with buildbox from a git URL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.checkout import GIT
from tests.support.project import Result, keep_image
from tests.support.tiny_image import tiny_image

BARE = "/usr/bin:/bin"  # the PATH of an editor that a desktop has started
PATIENCE = 250  # seconds: pre-commit installs buildbox with all that it needs, maybe on a busy machine
MakeRepo = Callable[..., "Repo"]


@dataclass(frozen=True)
class Repo:
    """A repository with a project at its top, and the environment in which somebody works there."""

    root: Path
    home: Path  # buildbox's
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Hardly any: what the tests' own has of Python, git and pre-commit doesn't leak in."""
        engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
        own = {"PATH": BARE, "HOME": str(self.home), "BUILDBOX_HOME": str(self.home)}
        return {**own, **engine, **self.env, **(more or {})}

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files below the root."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def call(self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """A command without a terminal, in a session of its own."""
        done = subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
            timeout=PATIENCE,
        )
        out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="surrogateescape")
        return Result(done.returncode, out, err)

    def git(self, *line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """git, with a name for who commits."""
        return self.call(*GIT, *line, cwd=cwd, env=env)

    def ok(self, *line: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """All that a git command says that succeeds."""
        done = self.git(*line, cwd=cwd, env=env)
        assert done.status == 0, f"{line}: {done.out}{done.err}"
        return done.out + done.err

    def pre_commit(self, *line: str, env: Mapping[str, str] | None = None) -> Result:
        """The real one."""
        return self.call(sys.executable, "-m", "pre_commit", *line, env=env)


@pytest.fixture(scope="session")
def pre_commit_env(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What pre-commit is told: where it keeps what it installs, for all tests; pip asks no index for it."""
    folder = tmp_path_factory.mktemp("pre-commit")
    return {
        "PRE_COMMIT_HOME": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",  # it is not used for long
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@pytest.fixture
def make_repo(tmp_path: Path, clone: Path, pre_commit_env: Mapping[str, str]) -> MakeRepo:
    """Makes a repository with tasks in a busybox image, one commit, and pre-commit with `hooks` (YAML)."""

    def make(tasks: str, hooks: str, *, root: str = "repo", image: str = "") -> Repo:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        pin = image or keep_image(home, tiny_image(), "tests/busybox:1")
        repo = Repo(tmp_path / root, home, pre_commit_env)
        config = f"repos:\n- repo: {clone.as_uri()}\n  rev: v0.0.0\n  hooks:\n{hooks}"
        toml = f'[toolchains.box]\nimage = "{pin}"\n{tasks}'
        repo.write({".buildbox.toml": toml, ".pre-commit-config.yaml": config, ".gitignore": ".buildbox/\n"})
        repo.ok("init", "-q")
        repo.ok("add", "-A")
        repo.ok("commit", "-q", "-m", "first")
        installed = repo.pre_commit("install")
        assert installed.status == 0, installed.out + installed.err
        return repo

    return make
