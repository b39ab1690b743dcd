"""Who is saving: a process that has written to an archive, or counts on what is there, holds a shared lock on
its file `savers` until it ends or says so. So `gc` knows whether what nothing refers to is about to be named.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildbox.archive import files

_MOST = 32  # archives that one process saves to; only tests have more, one after the other
_held: dict[Path, int] = {}  # archive -> the open file, locked
_guard = threading.Lock()


def begin(archive: Path) -> None:
    """This process saves to the archive from now on. Waits while `gc` removes blobs. Raises ArchiveError."""
    with _guard:
        if archive in _held:
            return
        with files.explained(archive):
            file = _open(archive)
            fcntl.flock(file, fcntl.LOCK_SH)
        _held[archive] = file
        while len(_held) > _MOST:
            os.close(_held.pop(next(iter(_held))))


def end(archive: Path) -> None:
    """This process has named all that it saved there."""
    with _guard:
        file = _held.pop(archive, None)
        if file is not None:
            os.close(file)


@contextmanager
def nobody_else(archive: Path) -> Iterator[bool]:
    """Whether no other process saves to the archive; if so, none begins before the end of the block.

    Raises ArchiveError.
    """
    with _guard:
        own = _held.get(archive)
        with files.explained(archive):
            file = _open(archive) if own is None else own
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
    try:
        yield alone
    finally:
        if own is None:
            os.close(file)
        else:
            fcntl.flock(own, fcntl.LOCK_SH)


def _open(archive: Path) -> int:
    return os.open(archive / "savers", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
