"""The tree that a hermetic task sees: exactly its inputs, with fixed modes, times and owner."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from buildbox.trees.copying import Copying
from buildbox.trees.entry import Entry
from buildbox.trees.faults import TreeError, explained, shown
from buildbox.trees.folders import OPEN, Folders, open_forced

_DEPTH = 64  # folders that are open at a time while one is removed; what lies deeper is moved up first


class HasEntries(Protocol):
    """An input tree, whose entries are made when they are asked for."""

    def entries(self) -> Sequence[Entry]:
        """All of them, sorted by path."""


def stage_files(
    root: Path,
    tree: HasEntries | Sequence[Entry],
    to: Path,
    *,
    since: float,
    epoch: int | None = None,
    owner: tuple[int, int] | None = None,
) -> None:
    """Copies the files of `tree` from `root` into the folder `to`, which is made if it isn't there.

    A file whose ctime is before `since` (seconds since the epoch) is what its entry says; others are hashed
    while they are copied. With `epoch` and `owner` files and links get them at once, which spares `settle`
    that work. `settle` comes last all the same: for folders, and what others have put there.
    Raises Changed where a file isn't what its entry says, TreeError where it can't be read or written.
    """
    entries = tree if isinstance(tree, Sequence) else tree.entries()
    with explained("read", str(root)):
        source = Folders(root)
    try:
        with explained("written", str(to)):
            to.mkdir(parents=True, exist_ok=True)
            with Folders(to, make=0o755) as target:
                Copying(source, target, int(since * 1e9), epoch, owner).run(entries)
    finally:
        source.close()


def settle(folder: Path, epoch: int, owner: tuple[int, int] | None) -> None:
    """Gives all below `folder`, and itself, fixed modes, mtimes of `epoch` (seconds), and `owner` (uid, gid).

    The last thing before the task starts. What is right already costs one look. Only root may give `owner`
    another than its own. Raises TreeError.
    """
    with explained("settled", str(folder)):
        file = os.open(folder, OPEN)
        try:
            _settle(file, epoch * 10**9, owner)
        finally:
            os.close(file)


def _settle(folder: int, time: int, owner: tuple[int, int] | None) -> None:
    for name in sorted(os.listdir(folder)):
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            file = os.open(name, OPEN, dir_fd=folder)
            try:
                _settle(file, time, owner)
            finally:
                os.close(file)
            continue
        if owner and (state.st_uid, state.st_gid) != owner:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
        mode = stat.S_IMODE(state.st_mode)
        wanted = 0o755 if mode & 0o100 else 0o644
        if mode != wanted and not stat.S_ISLNK(state.st_mode):
            os.chmod(name, wanted, dir_fd=folder)
        if state.st_mtime_ns != time:
            os.utime(name, ns=(time, time), dir_fd=folder, follow_symlinks=False)
    if owner:
        os.fchown(folder, *owner)
    os.fchmod(folder, 0o755)
    os.utime(folder, ns=(time, time))


def remove(folder: Path) -> None:
    """Removes `folder` and all in it, whatever its modes and however deep; nothing if it is gone.

    Links aren't followed. What can't be removed stays, all else goes. Raises TreeError, which names it.
    """
    removal = _Removal()
    try:
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        removal.remove_all(folder.name, parent, str(folder))
    finally:
        os.close(parent)
    if removal.failures:
        path, error = removal.failures[0]
        more = f" (and {len(removal.failures) - 1} more)" if len(removal.failures) > 1 else ""
        raise TreeError(
            f"{shown(path)} can't be removed: {error.strerror or error}{more}",
            f"It may belong to another user: remove {folder} as root.",
        )


class _Removal:
    """One `remove`: what couldn't be removed, and the folder that what lies deep is moved up to."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, OSError]] = []
        self._top = -1

    def remove_all(self, name: str, parent: int, path: str) -> None:
        try:
            self._top = open_forced(name, parent)
        except FileNotFoundError:
            return
        except OSError as error:
            self.failures.append((path, error))
            return
        try:
            while not self.failures and os.listdir(self._top):  # noqa: PTH208  # again: moved up
                self._empty(self._top, 1, path)
        finally:
            os.close(self._top)
        self._remove(name, parent, path, folder=True)

    def _empty(self, folder: int, depth: int, path: str) -> None:
        with os.scandir(folder) as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        for name, is_folder in entries:
            if is_folder:
                self._remove_folder(name, folder, depth, f"{path}/{name}")
            else:
                self._remove(name, folder, f"{path}/{name}", folder=False)

    def _remove_folder(self, name: str, parent: int, depth: int, path: str) -> None:
        try:
            file = open_forced(name, parent)
        except OSError as error:
            self.failures.append((path, error))
            return
        try:
            if depth >= _DEPTH:
                os.rename(name, os.urandom(16).hex(), src_dir_fd=parent, dst_dir_fd=self._top)
                return
            self._empty(file, depth + 1, path)
        except OSError as error:
            self.failures.append((path, error))
            return
        finally:
            os.close(file)
        self._remove(name, parent, path, folder=True)

    def _remove(self, name: str, parent: int, path: str, *, folder: bool) -> None:
        if folder and any(failed.startswith(f"{path}/") for failed, _ in self.failures):
            return  # it isn't empty
        try:
            if folder:
                os.rmdir(name, dir_fd=parent)
            else:
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.failures.append((path, error))
