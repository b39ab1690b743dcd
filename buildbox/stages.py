"""The folders that hermetic steps see as their project: `.buildbox/state/stage/HEX/N`.

Each run holds an flock on its folder's file `lock`, which the kernel lets go of when it dies: whoever finds
it free may remove the folder. They lie in the project so that outputs come back by a rename.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from buildbox.errors import BuildboxError, UsageError
from buildbox.trees.stage import remove


class Stages:
    """The stages of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = count(1)
        self._guard = threading.Lock()

    def new(self) -> Path:
        """A folder of its own for a step, empty. Raises UsageError."""
        with self._guard:
            path = self._folder / str(next(self._ids))
        with _writable(path):
            path.mkdir(mode=0o755)
        return path


@contextmanager
def stages(own: Path) -> Iterator[Stages]:
    """The stages of a run in buildbox's own folder of a project. Those of dead runs are removed first.

    Raises UsageError where they can't be made.
    """
    above = own / "stage"
    with _writable(above):
        above.mkdir(exist_ok=True)
    _sweep(above)
    folder = above / os.urandom(6).hex()
    with _writable(folder):
        folder.mkdir(mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Stages(folder)
    finally:
        with suppress(BuildboxError):
            remove(folder)
        os.close(lock)


def _sweep(above: Path) -> None:
    for folder in above.iterdir():
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # it is just being made or removed, or is another user's
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(BuildboxError):
                remove(folder)
        except BlockingIOError:
            pass  # its run is alive
        finally:
            os.close(lock)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} can't be made: {error.strerror}",
            "Hermetic tasks run in folders of their own there. Make the project's folder writable for you.",
        ) from None
