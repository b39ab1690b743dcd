"""A capsule's tar, written beside its place and renamed: nothing half-written ever has its name."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from buildbox.archive.files import sync_folder, write_all
from buildbox.archive.layout import LAYOUT, BlobDamaged, BlobMissing
from buildbox.capsule.form import BLOBS, INDEX_FILE, LAYOUT_FILE, README
from buildbox.capsule.members import plain_header
from buildbox.capsule.opening import is_capsule
from buildbox.capsule.parts import Blob
from buildbox.errors import UsageError
from buildbox.progress import Meter
from buildbox.trees.tar import END, padding

_PIECE = 1 << 18  # bytes that are read, hashed and written at a time
_PIECES = 4  # that are on their way


@contextmanager
def aside(to: Path) -> Iterator[tuple[int, Path]]:
    """An empty file beside `to`, locked: what a dead call left is taken over. Gone at the end of the block,
    unless it was renamed. Raises UsageError where it can't be made, or `to` is something else than a capsule.
    """
    if os.path.lexists(to) and not (to.is_file() and is_capsule(to)):
        raise UsageError(
            f"{to} is there, and is no capsule", "Name another file; only an older capsule is replaced."
        )
    path = to.with_name(f".{to.name}.part")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise UsageError(f"{to} can't be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is(path, file):
            raise BlockingIOError  # it has just become a capsule, which isn't to be written to
        os.ftruncate(file, 0)
        try:
            yield file, path
        finally:
            if _is(path, file):
                path.unlink()
    except BlockingIOError:
        raise UsageError(f"{to} is just being written by another buildbox") from None
    except OSError as error:
        raise UsageError(f"{to} can't be written: {error.strerror}", "Nothing of it is left.") from error
    finally:
        os.close(file)


def _is(path: Path, file: int) -> bool:
    """Whether `path` is still the open file, which others may have renamed."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except FileNotFoundError:
        return False


def write_tar(file: int, readme: bytes, index: bytes, blobs: Iterable[Blob], meter: Meter) -> None:
    """Writes the whole tar, and has it on the disk. Raises BlobMissing, BlobDamaged, OSError."""
    for name, data in ((README, readme), (LAYOUT_FILE, LAYOUT), (INDEX_FILE, index)):
        write_all(file, plain_header(name, len(data)) + data + padding(len(data)))
    for blob in sorted(blobs, key=lambda blob: blob.digest):
        write_all(file, plain_header(f"{BLOBS}{blob.digest.hex}", blob.size))
        if isinstance(blob.content, bytes):
            write_all(file, blob.content)
        else:
            _copy(file, blob, blob.content, meter)
        write_all(file, padding(blob.size))
    write_all(file, END)
    os.fsync(file)


def _copy(file: int, blob: Blob, path: Path, meter: Meter) -> None:
    """Writes what `path` has; another thread hashes it meanwhile, which takes as long as reading and writing.

    Raises BlobMissing, BlobDamaged.
    """
    hasher, size = hashlib.sha256(), 0
    waiting: deque[tuple[memoryview, Future[None]]] = deque()
    free = [
        memoryview(bytearray(_PIECE)) for _ in range(_PIECES)
    ]  # new ones each time cost more than hashing
    try:
        with path.open("rb", buffering=0) as source, ThreadPoolExecutor(1, "buildbox-hash") as pool:
            while count := source.readinto(piece := free.pop()):
                waiting.append((piece, pool.submit(hasher.update, piece[:count])))
                write_all(file, piece[:count])
                size += count
                meter.advance(count)
                if not free:
                    piece, hashed = waiting.popleft()
                    hashed.result()
                    free.append(piece)
    except FileNotFoundError:
        raise BlobMissing(blob.digest, path) from None
    if (size, hasher.hexdigest()) != (blob.size, blob.digest.hex):
        raise BlobDamaged(blob.digest, path, "has other bytes than its digest says")


def put(path: Path, to: Path, check: Callable[[Path], None]) -> None:
    """Gives the written file its name, once `check` has nothing against it. Raises what that raises."""
    check(path)
    try:
        path.replace(to)
        sync_folder(to.parent)
    except OSError as error:
        raise UsageError(f"{to} can't be written: {error.strerror}") from error
