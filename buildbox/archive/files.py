"""Files that are whole or not there: written aside under a lock, synced, then renamed into place.

A writer holds a lock (flock) on its file for as long as it lives. A file aside that nobody holds was left by
a dead writer, and the next writer removes it: no process ids, which mean nothing on a shared disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildbox.errors import ArchiveError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class ArchiveFull(ArchiveError):
    """There is no room left where the archive is."""


class ReadOnly(ArchiveError):
    """The archive is one that this user may only read."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Says what an OSError on `path` means for the archive. Raises ArchiveError."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno in _FULL:
            raise ArchiveFull(
                f"no space left for the archive at {path}",
                "Free some space there and run the command again; what was already complete is kept.",
            ) from error
        if error.errno in _FORBIDDEN:
            raise ReadOnly(
                f"the archive can't be written: {path}: {what}",
                "Make the folder writable for you; what is already in the archive can still be read.",
            ) from error
        raise ArchiveError(
            f"the archive can't be written: {path}: {what}",
            "Check that the disk is there, healthy and a local file system.",
        ) from error


def write_all(file: int, data: bytes | memoryview) -> None:
    """Writes all of `data`: a disk that is nearly full takes a part without an error first."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` survive a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """The open file at `path`, made if need be, held alone for the block. Raises ArchiveError."""
    with explained(path):
        file = _lock(path)
    try:
        yield file
    finally:
        os.close(file)


def _lock(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # removed or moved while we waited for it: take the one that has the name now


def is_at(file: int, path: Path) -> bool:
    """Whether the open, locked file still has this name: another may have removed it, and a third come."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def aside(folder: Path) -> Iterator[tuple[int, Path]]:
    """A new file in `folder`, gone at the end of the block unless it was renamed."""
    with explained(folder):
        folder.mkdir(exist_ok=True)
        sweep(folder)
    path = folder / os.urandom(8).hex()
    with locked(path) as file:
        try:
            yield file, path
        finally:
            path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what dead writers left in `folder`."""
    for path in folder.iterdir():
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(file, path):
                path.unlink()
        except BlockingIOError:
            pass  # its writer lives
        finally:
            os.close(file)


def put(data: bytes, path: Path, folder: Path) -> None:
    """Replaces the file `path` by `data` in one step, by way of `folder`. Raises ArchiveError."""
    with aside(folder) as (file, temporary), explained(path):
        write_all(file, data)
        os.fsync(file)
        temporary.replace(path)
        sync_folder(path.parent)
