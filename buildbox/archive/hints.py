"""Where a result is found by its fingerprint: one small file for each, not a list of names.

    results/HEX   the digest of the result's manifest, in one line; HEX is the fingerprint's

Results aren't in index.json: to keep one would mean to write all of it anew under the archive's lock, 22 ms
where there are 5,000 of them, against 1 ms for a file of its own. So `archive list`, `check` and `gc` read
this folder beside index.json; other OCI tools read a result by its digest, or from a registry (sharing.py).

A hint is only that: what it names is read by digest and must say that it is of this fingerprint. Its mtime
says to a day when the result was last used. It is written and removed under the archive's lock.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive import files
from buildbox.archive.layout import Archive
from buildbox.digest import Digest

FOLDER = "results"
_DAY = 86400.0  # seconds for which a note of use is recent enough
_HEX = re.compile(r"[0-9a-f]{64}")
_LONGEST = 128  # bytes of a hint


@dataclass(frozen=True)
class Hint:
    """A file in the folder of results."""

    fingerprint: Digest
    manifest: Digest | None  # None: it can't be read
    used: float  # seconds since the epoch


def result_name(fingerprint: Digest) -> str:
    """What a result is called among the names of all that is kept; no image is called so."""
    return f"result@{fingerprint}"


def is_result_name(name: str) -> bool:
    """Whether something is kept by this name as a result."""
    return name.startswith("result@")


def read_hint(archive: Archive, fingerprint: Digest) -> Digest | None:
    """The manifest of the result with this fingerprint; None where there is none, or the hint is damaged."""
    try:
        with open(f"{archive.path}/{FOLDER}/{fingerprint.hex}", "rb", buffering=0) as file:
            return Digest.parse(file.read(_LONGEST).decode().removesuffix("\n"))
    except (OSError, ValueError):
        return None


def look_up(archive: Archive, fingerprint: Digest) -> Hint | None:
    """The hint for this fingerprint, if there is one."""
    try:
        used = _path(archive, fingerprint).stat().st_mtime
    except OSError:
        return None
    return Hint(fingerprint, read_hint(archive, fingerprint), used)


def write_hint(archive: Archive, fingerprint: Digest, manifest: Digest, now: float) -> None:
    """Has the fingerprint mean this manifest, all of which is in the archive. Raises ArchiveError."""
    path = _path(archive, fingerprint)
    with files.explained(path):
        path.parent.mkdir(exist_ok=True)
    with files.locked(archive.path / "lock"):
        files.put(f"{manifest}\n".encode(), path, archive.path / "ingest")
        _touch(path, now)


def note_hit(archive: Archive, fingerprint: Digest, now: float) -> None:
    """Notes that the result is used, at most once a day. What can't be noted is no reason to fail."""
    path = _path(archive, fingerprint)
    with suppress(OSError):
        if abs(now - path.stat().st_mtime) >= _DAY:
            _touch(path, now)


def all_hints(archive: Archive) -> tuple[Hint, ...]:
    """All of them, the least recently used first. Raises ArchiveError."""
    folder = archive.path / FOLDER
    found = []
    with files.explained(folder):
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return ()
        for entry in entries:
            if _HEX.fullmatch(entry.name):
                hint = look_up(archive, Digest(entry.name))
                found += [hint] if hint else []
    return tuple(sorted(found, key=lambda hint: (hint.used, hint.fingerprint)))


def forget_hints(
    archive: Archive, hints: Iterable[Hint], spare: Callable[[Hint], bool] = lambda hint: False
) -> frozenset[Digest]:
    """Removes those of `hints` that are still as they were, unless `spare` says so; gives their fingerprints.

    The blobs stay, for `gc` to remove. Nobody keeps a result meanwhile. Raises ArchiveError.
    """
    gone = set()
    with files.locked(archive.path / "lock"), files.explained(archive.path / FOLDER):
        for hint in hints:
            now = look_up(archive, hint.fingerprint)
            if now is None:
                gone.add(hint.fingerprint)
            elif now == hint and not spare(hint):
                _path(archive, hint.fingerprint).unlink()
                gone.add(hint.fingerprint)
    return frozenset(gone)


def state_of_hints(archive: Archive) -> int:
    """Another number after each change of which results there are."""
    try:
        return (archive.path / FOLDER).stat().st_mtime_ns
    except OSError:
        return 0


def _path(archive: Archive, fingerprint: Digest) -> Path:
    return archive.path / FOLDER / fingerprint.hex


def _touch(path: Path, now: float) -> None:
    with suppress(PermissionError):  # another user's, in a shared archive
        os.utime(path, (now, now))
