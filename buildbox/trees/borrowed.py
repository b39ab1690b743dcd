"""Repositories of our own that borrow another one's objects (gitrepository-layout(5), "alternates").

Nothing of the other's configuration counts in them: no hooks, filters, attributes, fsmonitor, remotes; nor
does the user's or the machine's. So a commit gives the same files for everybody, and nothing of it runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from buildbox.errors import CantTell
from buildbox.trees.git import NOT_A_REPOSITORY, clean_environment

_BARE = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,  # since git 2.32; HOME is for those before
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": os.devnull,
}
_LONGEST_WORDS = 2000  # characters of git's that a message shows
_FETCH = "Fetch what is missing (git fetch origin COMMIT), or give a capsule, which has it all."


class CommitGone(CantTell):
    """A commit, or a part of it, isn't at hand. `missing` has a line for each."""

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        super().__init__(reason, _FETCH, missing)


@dataclass(frozen=True)
class Repository:
    """Where a repository has what we take of it."""

    git_dir: Path  # absolute
    objects: Path  # absolute; in the main repository where this is a worktree
    format: str  # of object ids: "sha1" or "sha256"
    top: Path | None  # of its working tree, if that is known


@dataclass(frozen=True)
class Borrower:
    """git in a repository of our own."""

    program: str
    folder: Path
    env: Mapping[str, str]

    def ask(self, *arguments: str, data: bytes = b"") -> bytes:
        """What git answers. Raises CommitGone with git's words."""
        return _ask([self.program, *arguments], self.folder, self.env, data)

    def start(self, *arguments: str, stdin: IO[bytes]) -> subprocess.Popen[bytes]:
        """A git that reads a file and is read from; its stderr goes nowhere."""
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def has(self, commit: str) -> bool:
        """Whether the commit itself is there."""
        answer = self.ask("cat-file", "--batch-check", data=commit.encode() + b"\n")
        return answer.split()[1:2] == [b"commit"]


def find_repository(folder: Path, env: Mapping[str, str]) -> Repository:
    """The repository that `folder` is in. Raises CommitGone where there is none, or git refuses."""
    asked = ("--show-object-format", "--absolute-git-dir", "--git-path", "objects", "--show-cdup")
    try:
        answer = _ask([_program(env), "rev-parse", *asked], folder, clean_environment(env))
    except CommitGone as error:
        none = NOT_A_REPOSITORY in error.reason
        why = "-C names one, or a capsule has it all" if none else error.reason
        raise CommitGone(f"there is no git repository at {folder}: {why}") from error
    form, git_dir, objects, *up = os.fsdecode(answer).split("\n")
    if len(up) > 2 or up[0].strip("./"):
        raise CommitGone(f"the git repository at {folder} has a path that can't be told from git's answer")
    return Repository(
        Path(git_dir),
        Path(os.path.realpath(folder / objects)),
        "sha256" if form == "sha256" else "sha1",  # git before 2.25 doesn't know the question, nor any other
        Path(os.path.realpath(folder / up[0])) if len(up) == 2 else None,  # a bare one has none
    )


def borrow(repository: Repository, to: Path, env: Mapping[str, str]) -> Borrower:
    """A repository of our own at `to`, which has all objects of another one, and none of its settings.

    It holds for as long as the other one's objects do. Raises CommitGone where git can't be used, OSError.
    """
    program = _program(env)
    ours = clean_environment({"PATH": env.get("PATH") or os.defpath, **_BARE})
    to.mkdir(parents=True, exist_ok=True)
    form = ("--object-format=sha256",) if repository.format == "sha256" else ()
    _ask([program, "-c", "init.defaultBranch=main", "init", "-q", "--template=", *form, "."], to, ours)
    info = to / ".git" / "objects" / "info"
    info.mkdir(exist_ok=True)
    (info / "alternates").write_bytes(_quoted(os.fsencode(repository.objects)) + b"\n")
    return Borrower(program, to, ours)


def _quoted(path: bytes) -> bytes:
    """As git reads a path whatever is in it (git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES)."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _program(env: Mapping[str, str]) -> str:
    program = shutil.which("git", path=env.get("PATH") or os.defpath)
    if program is None:
        raise CommitGone("there is no git on the PATH to read a repository with")
    return program


def _ask(line: Sequence[str], folder: Path, env: Mapping[str, str], data: bytes = b"") -> bytes:
    try:
        done = subprocess.run(line, cwd=folder, env=env, input=data, capture_output=True, check=False)
    except OSError as error:
        raise CommitGone(f"git can't be started in {folder}: {error.strerror}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[:_LONGEST_WORDS]
        raise CommitGone(words or f"git ended with status {done.returncode}")
    return done.stdout
