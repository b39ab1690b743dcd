"""All of an archive's blobs read and hashed, by as many threads as the machine has processors for."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.progress import Progress
from buildbox.units import show_size

States = dict[Digest, str]  # of each blob that is there: what is wrong with it, "" where it is sound
_WORKERS = min(4, os.cpu_count() or 1)  # hashlib lets other threads run while it hashes
_HEX = re.compile(r"[0-9a-f]{64}")


class _Stopped(Exception):
    """The person has had enough."""


def hash_all(archive: Archive, progress: Progress) -> States:
    """The state of every blob that is there now. Raises ArchiveError where the folder can't be read."""
    sizes = _sizes(archive)
    stop, lock = threading.Event(), threading.Lock()
    states: States = {}
    total = sum(sizes.values())
    label = f"reading {len(sizes)} blob{'' if len(sizes) == 1 else 's'}, {show_size(total)}"
    with progress.meter(label, total) as meter, ThreadPoolExecutor(_WORKERS, "buildbox-hash") as pool:

        def advance(amount: int) -> None:
            if stop.is_set():
                raise _Stopped
            with lock:
                meter.advance(amount)

        def work(digest: Digest) -> None:
            found = state(archive, digest, advance)
            if found is not None:  # else it was removed meanwhile
                states[digest] = found

        try:
            largest = sorted(sizes, key=lambda digest: -sizes[digest])  # last, one would be waited for alone
            _all(pool, work, largest)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return states


def look_again(archive: Archive, states: States) -> None:
    """Hashes again what wasn't sound: somebody may have mended or removed it while the rest was read."""
    for digest in [digest for digest, how in states.items() if how]:
        found = state(archive, digest)
        if found is None:
            del states[digest]
        else:
            states[digest] = found


def state(archive: Archive, digest: Digest, advance: Callable[[int], None] = lambda _: None) -> str | None:
    """What is wrong with a blob, "" for nothing; None where it isn't there. `advance` hears of bytes read."""
    try:
        for chunk in archive.stream(digest):
            advance(len(chunk))
    except BlobMissing:
        return None
    except BlobDamaged as error:
        return error.how
    except ArchiveError as error:
        return error.reason
    return ""


def _sizes(archive: Archive) -> dict[Digest, int]:
    sizes = {}
    try:
        for entry in os.scandir(archive.blobs):
            if _HEX.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # removed meanwhile
                    sizes[Digest(entry.name)] = entry.stat().st_size
    except OSError as error:
        raise ArchiveError(f"the archive can't be read: {archive.blobs}: {error.strerror}") from error
    return sizes


def _all(pool: ThreadPoolExecutor, work: Callable[[Digest], None], digests: Iterable[Digest]) -> None:
    for done in [pool.submit(work, digest) for digest in digests]:
        done.result()
