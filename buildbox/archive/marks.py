"""Which statements there are: one small file for each, as with results (hints.py).

    provenance/FINGERPRINT.MANIFEST    hex digests of the result's fingerprint and of the statement's manifest

In it is one line: the digest of the statement itself, so that many are looked through without reading their
manifests, and "kept" where gc is to leave it. Its mtime is when the statement was made. It is written and
removed under the archive's lock, always as a new file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive import files
from buildbox.archive.layout import Archive
from buildbox.digest import Digest

FOLDER = "provenance"
_NAME = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})")
_LONGEST = 128  # bytes of a mark


@dataclass(frozen=True)
class Mark:
    """A file in the folder of statements."""

    fingerprint: Digest
    manifest: Digest
    statement: Digest | None  # None: it can't be read
    kept: bool  # gc is to leave it
    created: float  # seconds since the epoch


def statement_name(manifest: Digest) -> str:
    """What a statement is called among the names of all that is kept; no image is called so."""
    return f"provenance@{manifest}"


def is_statement_name(name: str) -> bool:
    """Whether something is kept by this name as a statement."""
    return name.startswith("provenance@")


def all_marks(archive: Archive, fingerprint: Digest | None = None) -> tuple[Mark, ...]:
    """All of them, or those of a fingerprint, newest first. Raises ArchiveError."""
    folder = archive.path / FOLDER
    begin = f"{fingerprint.hex}." if fingerprint else ""
    with files.explained(folder):
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(begin)]
        except FileNotFoundError:
            return ()
    found = [mark for name in names if (mark := _read(folder, name))]
    return tuple(sorted(found, key=lambda mark: (mark.created, mark.manifest), reverse=True))


def write_mark(archive: Archive, mark: Mark, instead: Iterable[Mark] = ()) -> None:
    """Notes a statement that is in the archive; `instead` go. Raises ArchiveError."""
    with files.locked(archive.path / "lock"):
        _put(archive, mark)
        _remove(archive, [old for old in instead if old.manifest != mark.manifest])


def change_mark(archive: Archive, manifest: Digest, kept: bool) -> bool:
    """Whether gc is to leave a statement; False where there is none of this manifest. Raises ArchiveError."""
    with files.locked(archive.path / "lock"):
        mark = next((mark for mark in all_marks(archive) if mark.manifest == manifest), None)
        if mark and mark.kept != kept:
            _put(archive, Mark(mark.fingerprint, manifest, mark.statement, kept, mark.created))
    return mark is not None


def forget_marks(archive: Archive, marks: Iterable[Mark]) -> frozenset[Digest]:
    """Removes those of `marks` that are still as they were; gives the manifests of those that are gone.

    The blobs stay, for `gc` to remove. Raises ArchiveError.
    """
    folder = archive.path / FOLDER
    with files.locked(archive.path / "lock"):
        going = [mark for mark in marks if _read(folder, _name(mark)) in (None, mark)]
        _remove(archive, going)
    return frozenset(mark.manifest for mark in going)


def state_of_marks(archive: Archive) -> int:
    """Another number after each change of which statements there are, or are to stay."""
    try:
        return (archive.path / FOLDER).stat().st_mtime_ns
    except OSError:
        return 0


def _name(mark: Mark) -> str:
    return f"{mark.fingerprint.hex}.{mark.manifest.hex}"


def _read(folder: Path, name: str) -> Mark | None:
    """None where there is none, or the file is another's."""
    parts = _NAME.fullmatch(name)
    if not parts:
        return None
    statement, kept = None, False
    try:
        with open(folder / name, "rb", buffering=0) as file:
            created = os.fstat(file.fileno()).st_mtime
            words = file.read(_LONGEST).decode(errors="replace").split()
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError:
        return Mark(Digest(parts[1]), Digest(parts[2]), None, False, 0.0)
    with suppress(ValueError, IndexError):
        statement, kept = Digest.parse(words[0]), words[1:] == ["kept"]
    return Mark(Digest(parts[1]), Digest(parts[2]), statement, kept, created)


def _put(archive: Archive, mark: Mark) -> None:
    path = archive.path / FOLDER / _name(mark)
    with files.explained(path):
        path.parent.mkdir(exist_ok=True)
    text = f"{mark.statement}{' kept' if mark.kept else ''}\n"
    files.put(text.encode(), path, archive.path / "ingest")
    with suppress(PermissionError):  # another user's, in a shared archive
        os.utime(path, (mark.created, mark.created))


def _remove(archive: Archive, marks: Iterable[Mark]) -> None:
    with files.explained(archive.path / FOLDER):
        for mark in marks:
            (archive.path / FOLDER / _name(mark)).unlink(missing_ok=True)
