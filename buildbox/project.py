"""Where the project is, and what git keeps of it; read from the disk, without running git."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from buildbox.config.model import FILE_NAME
from buildbox.errors import UsageError

_INIT = "`buildbox init` writes one that works; -C DIR looks elsewhere."
_LONGEST_PATH = 4096  # bytes; Linux's PATH_MAX. Following a longer one takes minutes


@dataclass(frozen=True)
class GitFolder:
    """The git repository that the project's root is the top of."""

    dot_git: Path  # root/.git: a folder, or the file of a worktree or submodule
    git_dir: Path  # absolute, no link in it; where HEAD and index are
    common_dir: Path  # absolute, no link in it; where objects and refs are; git_dir but in a worktree
    trusted: bool  # False: root/.git leads to a folder that doesn't say that it is this project's


def find_root(start: Path, explicit: Path | None, home: Path | None = None) -> Path:
    """The folder, links followed, of the `.buildbox.toml` that counts in `start`, or in `explicit` (`-C`).

    Looks up to the top of the repository, to `home` and to what isn't shared with every user of
    the machine, whichever comes first. Raises UsageError.
    """
    given = start if explicit is None else start / explicit
    folder = Path(os.path.realpath(given))
    if not folder.is_dir():
        if os.path.lexists(folder):
            raise UsageError(f"{given} is not a folder", "-C takes the project's folder.")
        hint = (
            "It was removed under you: change to another."
            if explicit is None
            else "-C takes the project's folder."
        )
        raise UsageError(f"there is no folder {given}", hint)
    home = home and Path(os.path.realpath(home))
    last = folder
    for place in (folder, *folder.parents):
        if place != folder and _is_everyones(place):
            break  # anyone could have put a file there
        last = place
        if os.path.lexists(place / FILE_NAME):
            if place == Path(place.anchor):
                raise UsageError(
                    f"{place / FILE_NAME} would make the whole machine the project",
                    "Keep the project in a folder of its own.",
                )
            return place
        if os.path.lexists(place / ".git") or place == home:
            break
    looked = f"{folder}" if last == folder else f"{folder} nor in the folders above it up to {last}"
    raise UsageError(f"there is no {FILE_NAME} in {looked}", _INIT)


def find_git(root: Path) -> GitFolder | None:
    """The git folder of the project at `root`; None where `root/.git` is not there or not git's.

    A `.git` file (gitrepository-layout(5)) may have come with the project and name any folder, so
    that folder must point back, from where the project couldn't have written it: a worktree's in
    `gitdir`, a submodule's in the `core.worktree` of its `config`.
    """
    root = Path(os.path.realpath(root))
    dot_git = root / ".git"
    real = Path(os.path.realpath(dot_git))
    if real.is_dir():
        return GitFolder(dot_git, real, real, trusted=not dot_git.is_symlink())
    text = _read(dot_git)
    if text is None or not text.startswith("gitdir: ") or len(text) > _LONGEST_PATH:
        return None
    git_dir = _follow(root, text.removeprefix("gitdir: "))
    common = _read(git_dir / "commondir")
    common_dir = git_dir if common is None else _follow(git_dir, common)
    outside = not git_dir.is_relative_to(root) and not common_dir.is_relative_to(root)
    points_back = _is_worktree(root, git_dir, common_dir) if common else _is_submodule(root, git_dir)
    return GitFolder(
        dot_git, git_dir, common_dir, trusted=outside and points_back and _is_repository(common_dir)
    )


def _is_everyones(folder: Path) -> bool:
    """Whether the folder is like /tmp: everyone may make files in it, and only remove their own."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH and mode & stat.S_ISVTX)


def _is_worktree(root: Path, git_dir: Path, common_dir: Path) -> bool:
    back = _read(git_dir / "gitdir")
    if back is None or git_dir.parent != common_dir / "worktrees":
        return False
    path = git_dir / back.rstrip("\n")  # relative since git 2.48, if asked for
    return path.name == ".git" and Path(os.path.realpath(path.parent)) == root


def _is_submodule(root: Path, git_dir: Path) -> bool:
    # Which of the two files it is depends on extensions.worktreeConfig (git-worktree(1)).
    texts = (_read(git_dir / name) for name in ("config", "config.worktree"))
    found = [_core_worktree(text) for text in texts if text]
    return root in [_follow(git_dir, worktree) for worktree in found if worktree]


def _is_repository(folder: Path) -> bool:
    """What git itself asks of a repository (setup.c, is_git_directory)."""
    try:
        return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    except OSError:
        return False


def _core_worktree(config: str) -> str | None:
    """`core.worktree` of a git configuration, as git itself writes it (git-config(1), "Syntax")."""
    section = ""
    found = None
    for line in config.splitlines():
        header = re.match(r"\s*\[\s*([^\]]*?)\s*\]", line)
        if header:
            section = header[1].lower()
        pair = re.match(r"\s*worktree\s*=\s*(.*)", line, re.IGNORECASE)
        if pair and section == "core":
            value = pair[1].strip()
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
            found = value
    return found


def _follow(base: Path, text: str) -> Path:
    """The real path that one of git's files names, relative to `base`."""
    return Path(os.path.realpath(base / text.rstrip("\n")))


def _read(path: Path) -> str | None:
    """A small regular file of git's; None where there is none that can be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read(1 << 20)
    except (OSError, ValueError):
        return None
    return None if "\0" in text else text
