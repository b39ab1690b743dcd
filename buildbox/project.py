"""Where the project is, and what git keeps of it; read from the disk, without running git."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitFolder:
    """The git repository that the project's root is the top of."""

    dot_git: Path  # root/.git: a folder, or the file of a worktree or submodule
    git_dir: Path  # absolute; where HEAD and index are
    common_dir: Path  # absolute; where objects and refs are; git_dir itself but in a worktree
    trusted: bool  # False: the .git file points at a folder that doesn't point back


def find_root(start: Path, explicit: Path | None, home: Path | None = None) -> Path:
    """The folder of the `.buildbox.toml` that counts for `start`, or for `explicit` (`-C`).

    Looks no further up than the top of the repository, and never in `home` or `/` from below.
    Raises UsageError.
    """
    raise NotImplementedError


def find_git(root: Path) -> GitFolder | None:
    """The git folder of the project at `root`; None where `root/.git` is not there or not git's."""
    raise NotImplementedError
