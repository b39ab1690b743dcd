"""A scratch folder for one build: gone at its end, and swept up by the next build after a SIGKILL."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildbox.errors import ImageError
from buildbox.host import Host

_PREFIX = "buildbox-build-"
_YOUNG = 60  # seconds; a folder this new may belong to a build that hasn't locked it yet


@dataclass(frozen=True)
class Workplace:
    """Where a build works."""

    path: Path
    lock: int  # an open file; who holds it keeps the folder


@contextmanager
def workplace(temp: Path, host: Host) -> Iterator[Workplace]:
    """A new folder in `temp` that others may pass through but not list."""
    _sweep(temp, host)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temp)).resolve()
    path.chmod(0o711)  # apt's own user and a user namespace's root must reach what is inside
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Workplace(path, lock)
    finally:
        remove(path)
        os.close(lock)


def remove(path: Path) -> None:
    """Removes a folder and all in it, but never reaches through a mount that was left there."""
    inside = f"{path}/"
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    if not any(line.split(" ")[4].startswith(inside) for line in mounts.splitlines()):
        shutil.rmtree(path, ignore_errors=True)


def _sweep(temp: Path, host: Host) -> None:
    """Removes what builds that were killed have left."""
    for path in temp.glob(f"{_PREFIX}*"):
        try:
            if (
                path.is_symlink()
                or path.lstat().st_uid != host.uid
                or host.now - path.lstat().st_mtime < _YOUNG
            ):
                continue
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        except BlockingIOError:
            pass  # its build lives
        finally:
            os.close(lock)


@contextmanager
def room(temp: Path, name: str) -> Iterator[None]:
    """Says what a missing `temp` or a full disk means for the build of recipe `name`. Raises ImageError."""
    if not temp.is_dir():
        raise ImageError(f"there is no folder {temp} to work in", "Set TMPDIR to a folder with 2 GB free.")
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ImageError(
            f"no space left in {temp} to build {name}",
            "Free some space there, or set TMPDIR to a folder with 2 GB free, and build again.",
        ) from error
