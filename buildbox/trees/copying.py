"""Copying the files of a tree to where nothing is yet, in as few system calls as it takes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Sequence

from buildbox.digest import CHUNK
from buildbox.trees.entry import FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.faults import Changed, shown, tree_error
from buildbox.trees.folders import CREATE, OPEN, READ, Folders

_FICLONE = 0x40049409  # ioctl_ficlone(2): the copy shares the original's blocks until one of them changes
_UNABLE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)
_SWAPPED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EINVAL, errno.EAGAIN)
_RANGE = 1 << 30  # bytes that the kernel is asked to copy at a time


class Copying:
    """Copies entries from one tree into another.

    A file whose ctime is before `since` (ns) is what its entry says; others are hashed while they are copied.
    With `epoch` (seconds) and `owner` files and links get them at once. Methods raise Changed where a file
    isn't what its entry says, TreeError where it can't be read, OSError where its copy can't be written.
    """

    def __init__(
        self, source: Folders, target: Folders, since: int, epoch: int | None, owner: tuple[int, int] | None
    ) -> None:
        self._source, self._target = source, target
        self._since = since  # ns
        self._times = None if epoch is None else (epoch * 10**9, epoch * 10**9)
        self._owner = owner
        self._clones = self._copies = True  # until the file system says that it can't

    def run(self, entries: Sequence[Entry]) -> None:
        """Copies `entries`; fastest when they are sorted by path."""
        folder, there, here = "", self._source.root, self._target.root
        for entry in entries:
            parent, _, name = entry.path.rpartition("/")
            if parent != folder:
                there, here, folder = self._enter(parent, entry), self._target.enter(parent), parent
            if entry.mode == LINK:
                self._link(entry, name, there, here)
            elif entry.mode == FOLDER:
                self._folder(entry, name, there, here)
            else:
                self._file(entry, name, there, here)

    def _enter(self, folder: str, entry: Entry) -> int:
        try:
            return self._source.enter(folder)
        except OSError as error:
            raise _unreadable(entry, error) from error

    def _file(self, entry: Entry, name: str, there: int, here: int) -> None:
        try:
            file = os.open(name, READ, dir_fd=there)
        except OSError as error:
            raise _unreadable(entry, error) from error
        try:
            copy = os.open(name, CREATE, 0o755 if entry.mode == PROGRAM else 0o644, dir_fd=here)
            try:
                if entry.size <= CHUNK:
                    self._small(entry, file, copy)
                else:
                    self._large(entry, file, copy)
                if self._owner:
                    os.fchown(copy, *self._owner)
                if self._times:
                    os.utime(copy, ns=self._times)
            finally:
                os.close(copy)
        finally:
            os.close(file)

    def _small(self, entry: Entry, file: int, copy: int) -> None:
        try:
            data = os.read(file, entry.size + 1)
        except OSError as error:
            raise _unreadable(entry, error) from error
        # Looked at after it was read: a ctime before `since` says that nothing had changed until then.
        fresh = self._fresh(entry, file)
        if len(data) != entry.size or (fresh and hashlib.sha256(data).hexdigest() != entry.digest):
            raise _changed(entry)
        if data and os.write(copy, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _large(self, entry: Entry, file: int, copy: int) -> None:
        if self._fresh(entry, file) or not (
            self._clone(file, copy) or self._let_copy(file, copy, entry.size)
        ):
            if _copy_hashed(file, copy) != entry.digest:
                raise _changed(entry)
            return
        if self._fresh(entry, file) or os.fstat(copy).st_size != entry.size:
            raise _changed(entry)

    def _fresh(self, entry: Entry, file: int) -> bool:
        """Whether the file may have changed since it was hashed. Raises Changed where it is another kind."""
        state = os.fstat(file)
        program = bool(state.st_mode & 0o100)
        if (
            not stat.S_ISREG(state.st_mode)
            or state.st_size != entry.size
            or program != (entry.mode == PROGRAM)
        ):
            raise _changed(entry)
        return state.st_ctime_ns >= self._since

    def _clone(self, file: int, copy: int) -> bool:
        if self._clones:
            try:
                fcntl.ioctl(copy, _FICLONE, file)
                return True
            except OSError as error:
                if error.errno not in _UNABLE:
                    raise
                self._clones = False
        return False

    def _let_copy(self, file: int, copy: int, size: int) -> bool:
        """Whether the kernel copied the file; across two kinds of file systems it can't."""
        try:
            while self._copies and size:
                count = os.copy_file_range(file, copy, min(size, _RANGE))
                if not count:
                    break
                size -= count
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            self._copies = False
        return self._copies

    def _link(self, entry: Entry, name: str, there: int, here: int) -> None:
        try:
            target = os.readlink(name, dir_fd=there)
        except OSError as error:
            raise _unreadable(entry, error) from error
        if hashlib.sha256(os.fsencode(target)).hexdigest() != entry.digest:
            raise _changed(entry)
        os.symlink(target, name, dir_fd=here)
        if self._owner:
            os.chown(name, *self._owner, dir_fd=here, follow_symlinks=False)
        if self._times:
            os.utime(name, ns=self._times, dir_fd=here, follow_symlinks=False)

    def _folder(self, entry: Entry, name: str, there: int, here: int) -> None:
        try:
            os.close(os.open(name, OPEN, dir_fd=there))
        except OSError as error:
            raise _unreadable(entry, error) from error
        try:
            os.mkdir(name, 0o755, dir_fd=here)
        except FileExistsError:
            pass


def _copy_hashed(file: int, copy: int) -> str:
    """Copies what there is; its sha256."""
    hasher = hashlib.sha256()
    for each in (file, copy):
        os.lseek(each, 0, os.SEEK_SET)
    while data := os.read(file, CHUNK):
        hasher.update(data)
        while data:
            data = data[os.write(copy, data) :]
    return hasher.hexdigest()


def _changed(entry: Entry) -> Changed:
    return Changed(
        f"{shown(entry.path)} changed while the task's inputs were gathered",
        "Run it again when nothing else changes the project.",
    )


def _unreadable(entry: Entry, error: OSError) -> Exception:
    """What an OSError of the project's side means."""
    return _changed(entry) if error.errno in _SWAPPED else tree_error("read", entry.path, error)
