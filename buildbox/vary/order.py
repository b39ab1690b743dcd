"""Trees whose folders list their files the other way round.

Most file systems list by hashes of names, which can't be chosen. One in memory (tmpfs(5)) lists by the order
in which the files were made, the last one first on some kernels: which it is, is tried.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from buildbox.errors import UsageError
from buildbox.trees.stage import remove

_LEAST = 1 << 30  # bytes that should be free: builds make more than they are given
_NAMES = ("m", "c", "x", "a", "q")  # in no order of their own


def memory_folder(uid: int) -> Path | None:
    """A folder of the caller's alone, on a file system that lists what it has by the order of its making.

    None where this machine has none with enough room (1 GiB), whose programs may run.
    """
    for above in (Path("/dev/shm"), Path(f"/run/user/{uid}")):
        folder = above / f"buildbox-{uid}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if _is_good(folder, uid):
                return folder
            folder.rmdir()  # or it isn't empty: somebody else's
        except OSError:
            continue
    return None


def _is_good(folder: Path, uid: int) -> bool:
    state, system = folder.lstat(), os.statvfs(folder)
    if state.st_uid != uid or state.st_mode & 0o170077 != stat.S_IFDIR:  # a link of another user's, say
        return False
    room = system.f_bavail * system.f_frsize >= _LEAST
    return room and not system.f_flag & os.ST_NOEXEC and _direction(folder) != 0


def copy_reversed(tree: Path, to: Path) -> None:
    """Copies what is in `tree` into the folder `to` of a memory_folder; folders list the other way round.

    Modes, times and owners are those of `tree`. Raises UsageError where there is no room.
    """
    try:
        _copy(tree, to, _direction(to))
    except OSError as error:
        raise UsageError(
            f"{error.filename or to} can't be copied into memory: {error.strerror or error}",
            "The order of files is varied on a file system in memory: make room there.",
        ) from None


def _copy(tree: Path, to: Path, direction: int) -> None:
    """`direction`: as _direction gives it."""
    with os.scandir(tree) as found:
        entries = list(found)
    for entry in entries if direction < 0 else reversed(entries):
        target = to / entry.name
        if entry.is_dir(follow_symlinks=False):
            target.mkdir()
            _copy(Path(entry.path), target, direction)
        else:
            shutil.copy2(entry.path, target, follow_symlinks=False)
            _own(entry.path, target)
    shutil.copystat(tree, to)
    _own(str(tree), to)


def _own(original: str, copy: Path) -> None:
    state = os.lstat(original)
    if (state.st_uid, state.st_gid) != (os.lstat(copy).st_uid, os.lstat(copy).st_gid):
        os.chown(copy, state.st_uid, state.st_gid, follow_symlinks=False)


def _direction(folder: Path) -> int:
    """1: the file that was made first is listed first; -1: it is the last one; 0: neither. Raises OSError."""
    trial = folder / f"order-{os.urandom(6).hex()}"
    trial.mkdir()
    try:
        for name in _NAMES:
            (trial / name).touch()
        listed = tuple(os.listdir(trial))  # noqa: PTH208
    finally:
        with suppress(OSError):
            remove(trial)
    return 1 if listed == _NAMES else -1 if listed == _NAMES[::-1] else 0
