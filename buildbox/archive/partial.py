"""Downloads into the archive that a dropped connection, a kill or a power cut only interrupts: what came is
kept in `partial/HEX`, goes on from there, and becomes a blob when the whole file hashes right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from buildbox.archive import files
from buildbox.archive.layout import Archive
from buildbox.digest import CHUNK
from buildbox.oci import Descriptor


class Partial:
    """The part of a blob that is here already, held alone; see `open_partial`."""

    def __init__(self, archive: Archive, blob: Descriptor, file: int) -> None:
        self._archive, self._blob, self._file = archive, blob, file
        self.path = archive.path / "partial" / blob.digest.hex
        self.size = os.fstat(file).st_size  # bytes that are here
        self._here = True  # whether `path` is still this file
        self._hash = hashlib.sha256()
        self._hashed = 0  # bytes that went into it: all that came since the file was empty, or none
        if self.size > blob.size:
            self.restart()

    def write(self, data: bytes) -> None:
        """Appends `data`. Raises ArchiveFull, with everything that came removed to give the room back."""
        try:
            with files.explained(self.path):
                os.lseek(self._file, self.size, os.SEEK_SET)
                files.write_all(self._file, data)
        except files.ArchiveFull:
            self.discard()
            raise
        if self._hashed == self.size:
            self._hash.update(data)
            self._hashed += len(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forgets what is here."""
        with files.explained(self.path):
            os.ftruncate(self._file, 0)
        self._hash = hashlib.sha256()
        self.size = self._hashed = 0

    def discard(self) -> None:
        """Removes what is here; nothing if it is gone: the name may be another download's by now."""
        if self._here:
            self._here = False
            with files.explained(self.path):
                self.path.unlink(missing_ok=True)

    def finish(self) -> bool:
        """Moves the file into the archive as the blob; False where its bytes aren't the blob's."""
        with files.explained(self.path):
            if self._hashed != self.size:  # a part is from an earlier process: the file says what it is
                self._hash, self._hashed = self._read_hash(), self.size
            if self._hash.hexdigest() != self._blob.digest.hex:
                return False
            os.fsync(self._file)
            self.path.replace(self._archive.blob_path(self._blob.digest))
            self._here = False
            files.sync_folder(self._archive.blobs)
        return True

    def _read_hash(self) -> hashlib._Hash:
        hasher = hashlib.sha256()
        os.lseek(self._file, 0, os.SEEK_SET)
        while chunk := os.read(self._file, CHUNK):
            hasher.update(chunk)
        return hasher


@contextmanager
def open_partial(archive: Archive, blob: Descriptor) -> Iterator[Partial]:
    """The download of `blob`, held alone: waits while another process has it. Raises ArchiveError.

    What came stays after the block for the next one to go on from, unless it is nothing.
    """
    folder = archive.path / "partial"
    with files.explained(folder):
        folder.mkdir(exist_ok=True)
    with files.locked(folder / blob.digest.hex) as file:
        partial = Partial(archive, blob, file)
        try:
            yield partial
        finally:
            if partial.size == 0:
                partial.discard()
