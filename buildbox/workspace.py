"""`.buildbox/`, where buildbox works in a project: stages, logs, what was placed. Never in its repository.

The folder may have come with the repository, as a link to anywhere: nothing here is followed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER = ".buildbox"
STATE = "state"  # what in it is buildbox's alone, and no task sees: stages, notes on results and outputs
# What the name of a statement ends with that lies beside what was built (in-toto, spec/v1/bundle.md).
STATEMENT = ".intoto.jsonl"
_IGNORE = "*\n"


def own_folder(root: Path, *below: str) -> Path | None:
    """`.buildbox` of the project in `root`, or the folder `below` in it, made where it isn't there.

    None where it can't be written, or where something on the way isn't a folder: a link, say.
    """
    try:
        descriptor = open_own(root, *below)
    except OSError:
        return None
    try:
        writable = os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return root.joinpath(FOLDER, *below) if writable else None


def open_own(root: Path, *below: str) -> int:
    """A descriptor of that folder, made where it isn't there. Raises OSError."""
    if any(name in ("", ".", "..") or "/" in name for name in below):
        raise ValueError(f"{below} names no folder below {FOLDER}")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in (FOLDER, *below):
        parent = descriptor
        try:
            descriptor, made = _enter(parent, name)
        finally:
            os.close(parent)
        if name == FOLDER and (made or not _is_ignored(descriptor)):
            try:
                _ignore(descriptor)
            except OSError:
                os.close(descriptor)
                raise
    return descriptor


def _enter(parent: int, name: str) -> tuple[int, bool]:
    """The folder `name`, opened, and whether it is new."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent), False
    except FileNotFoundError:
        pass
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:  # another buildbox was faster
        pass
    return os.open(name, flags, dir_fd=parent), True


def _is_ignored(folder: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(".gitignore", dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _ignore(folder: int) -> None:
    """git sees nothing of the folder, not even that it is there."""
    name = f".gitignore-{os.urandom(6).hex()}"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        os.write(descriptor, _IGNORE.encode())
    finally:
        os.close(descriptor)
    os.rename(name, ".gitignore", src_dir_fd=folder, dst_dir_fd=folder)
