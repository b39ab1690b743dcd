"""Which runs are alive: each holds a lock on a file of its own, which the kernel lets go of when it dies.

A run's containers carry its id as a label. Whoever finds a run's file unlocked may remove what it left. The
file of a buildbox in a container may be gone with that; but then so is the container, which the id tells.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from buildbox.errors import ArchiveError, BuildboxError, EngineError

_SETTLED = 60.0  # seconds after which an engine surely finished what a dead run had asked of it

_INSIDE = "in"  # stands in a run's id between its own digits and its container's; neither have these letters


@contextmanager
def lease(folder: Path, address: str, inside: str = "") -> Iterator[str]:
    """A new run's id, alive for as long as the context. `address` is the engine that it uses.

    `inside` is the container there that buildbox is in, if it is: the id tells it, see container_of.
    After a fault of the engine, or one that nobody expected, the file stays: something may be left in the
    engine, which the next sweep removes. Raises ArchiveError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run, descriptor = _new(folder, f"{_INSIDE}{inside[:12]}" if inside else "")
    except OSError as error:
        raise _unwritable(folder, error) from None
    path = folder / run
    try:
        try:
            os.write(descriptor, address.encode())
        except OSError as error:
            raise _unwritable(folder, error) from None
        yield run
        path.unlink(missing_ok=True)
    except (BuildboxError, BrokenPipeError) as error:  # the latter: nobody reads our stdout any more
        if not isinstance(error, EngineError):
            path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def container_of(run: str) -> str:
    """The container that the run's buildbox was in, by its id's beginning; "" where it was in none."""
    return run.partition(_INSIDE)[2]


def sweep(folder: Path, address: str, now: float, remove: Callable[[str], None]) -> int:
    """Calls `remove` for each dead run that used the engine at `address`; gives their number.

    A dead run is forgotten once it is certain that no container of it can still turn up: a while after
    a sweep first found it dead, which a line's end behind its address says.
    """
    dead = 0
    for path in sorted(folder.glob("*")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # it has just ended, or is another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = os.read(descriptor, 1 << 16).decode(errors="replace")
            if text.strip() not in ("", address):
                continue
            remove(path.name)
            dead += 1
            if not text.endswith("\n"):
                os.write(descriptor, b"\n")
                os.utime(descriptor, (now, now))
            elif now - os.fstat(descriptor).st_mtime > _SETTLED:
                path.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # alive
        finally:
            os.close(descriptor)
    return dead


def _unwritable(folder: Path, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{folder} can't be written: {error.strerror}",
        "buildbox keeps note of its running containers there. Make it writable, or free some space;"
        " BUILDBOX_HOME names another folder.",
    )


def _new(folder: Path, end: str) -> tuple[str, int]:
    while True:
        run = os.urandom(6).hex() + end
        try:
            descriptor = os.open(folder / run, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep caught it in between
            os.close(descriptor)
            continue
        return run, descriptor
