"""Files as they were seen: what stat(2) said, and the sha256 of what was in them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from buildbox.digest import CHUNK
from buildbox.trees.entry import FILE, LINK, PROGRAM, Entry
from buildbox.trees.faults import Changed, shown, tree_error
from buildbox.trees.folders import READ, Folders

# A file's times come from a clock that ticks every 1 to 10 ms, so what happens now may look older by as much.
_CLOCK = 0.02  # seconds
PATH = 72  # where the path starts in Seen.line
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_TRIES = 5


class Seen(NamedTuple):
    """A file or link; `mode`, `digest` and `size` as in Entry."""

    path: str
    mode: int
    digest: str
    size: int
    mtime: int  # ns
    ctime: int  # ns; only the kernel sets it, so it moves with every change
    inode: int

    @property
    def line(self) -> str:
        """As tree_digest wants it, but for the NUL."""
        return f"{self.mode:06o} {self.digest} {self.path}"

    @property
    def entry(self) -> Entry:
        return Entry(self.path, self.mode, self.digest, self.size)


def see(folders: Folders, path: str, known: Mapping[str, Seen]) -> Seen | None:
    """The file at `path`, read only if `known` doesn't have it as it is now.

    None where there is nothing, or neither a file nor a link, or where a folder on the way is a link.
    Raises TreeError where it can't be read, Changed where it changes all the time.
    """
    parent, _, name = path.rpartition("/")
    try:
        folder = folders.enter(parent)
        for _ in range(_TRIES):
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            mode = _mode(state.st_mode)
            if mode is None:
                return None
            before = known.get(path)
            if before is not None and before[3:] == _times(state) and (before.mode == LINK) == (mode == LINK):
                return before if before.mode == mode else before._replace(mode=mode)
            digest = _link(name, folder) if mode == LINK else _file(name, folder)
            after = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if _times(after) == _times(state) and after.st_mode == state.st_mode:
                return Seen(path, mode, digest, *_times(state))
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise tree_error("read", path, error) from error
    raise Changed(
        f"{shown(path)} changes while it is read", "Run it again when nothing else changes the project."
    )


def is_special(folders: Folders, path: str) -> str | None:
    """What is there, where it can't be an input: "a pipe", "a socket", "a device"."""
    parent, _, name = path.rpartition("/")
    try:
        mode = os.stat(name, dir_fd=folders.enter(parent), follow_symlinks=False).st_mode
    except OSError:
        return None
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else None


def begun(now: float) -> int:
    """The second in which `now` is: what changed before it can't change again without a later ctime.

    Whole seconds, since some file systems, and git, know no smaller ones.
    """
    return int(now - _CLOCK)


def settled(files: Iterable[Seen], before: int) -> dict[str, Seen]:
    """Those that hadn't changed since `before` (ns), when they were read: a later change shows."""
    return {file.path: file for file in files if file.ctime < before}


def _mode(mode: int) -> int | None:
    if stat.S_ISREG(mode):
        return PROGRAM if mode & 0o100 else FILE
    return LINK if stat.S_ISLNK(mode) else None


def _times(state: os.stat_result) -> tuple[int, int, int, int]:
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def _link(name: str, folder: int) -> str:
    return hashlib.sha256(os.fsencode(os.readlink(name, dir_fd=folder))).hexdigest()


def _file(name: str, folder: int) -> str:
    file = os.open(name, READ, dir_fd=folder)
    try:
        hasher = hashlib.sha256()
        while data := os.read(file, CHUNK):
            hasher.update(data)
        return hasher.hexdigest()
    finally:
        os.close(file)
