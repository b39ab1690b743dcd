"""The archive: an OCI image layout on disk (image-spec 1.1, image-layout.md), safe under concurrent writers
and a kill or power cut at any moment.

    oci-layout, index.json, blobs/sha256/*   as the specification says
    ingest/*                                 blobs being written, each locked by its writer
    partial/HEX                              downloads that can be resumed
    lock                                     held while index.json is changed, and while a blob is removed
    savers                                   held by all who save; see savers.py

A blob's mtime says since when it is there, its ctime when somebody last counted on it: see Archive.claim.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.archive import files
from buildbox.digest import CHUNK, Digest
from buildbox.errors import ArchiveError
from buildbox.oci import OCI_INDEX, Descriptor, canonical

REF_NAME = "org.opencontainers.image.ref.name"  # annotations.md
LAYOUT = canonical({"imageLayoutVersion": "1.0.0"})
MAX_INDEX = 64 << 20  # bytes of index.json
REPAIR = "buildbox archive check --repair"


class BlobMissing(ArchiveError):
    """A blob isn't in the archive."""

    def __init__(self, digest: Digest, path: Path) -> None:
        super().__init__(
            f"the archive lacks the blob {digest}",
            f"It should be at {path}.\nRun the command again without --offline to fetch it.",
        )
        self.digest = digest


class BlobDamaged(ArchiveError):
    """A blob's bytes aren't those of its name."""

    def __init__(self, digest: Digest, path: Path, how: str) -> None:
        super().__init__(
            f"the archive is damaged: blob {digest} {how}",
            f"It is {path}\nRun the command again without --offline to fetch it anew, or mend all that is "
            f"damaged: {REPAIR}",
        )
        self.digest, self.how = digest, how


class BlobRefused(ArchiveError):
    """What was written isn't what was announced; nothing of it was kept."""


class BlobWriter:
    """A blob on its way into the archive; see Archive.ingest."""

    def __init__(self, file: int, path: Path, expected: Digest | None, size: int | None) -> None:
        self._file, self._path = file, path
        self._expected, self._expected_size = expected, size
        self._hash = hashlib.sha256()
        self.size = 0  # bytes written so far

    @property
    def digest(self) -> Digest:
        """The digest of everything written so far."""
        return Digest(self._hash.hexdigest())

    def write(self, data: bytes | memoryview) -> int:
        """Appends `data`; gives its length. Raises BlobRefused beyond the announced size."""
        self.size += len(data)
        if self._expected_size is not None and self.size > self._expected_size:
            raise BlobRefused(f"more than the announced {self._expected_size} bytes for {self._expected}")
        self._hash.update(data)
        with files.explained(self._path):
            files.write_all(self._file, data)
        return len(data)

    def finish(self, blobs: Path) -> None:
        """Verifies, syncs and moves the blob to its name. Called by Archive.ingest."""
        if self._expected_size is not None and self.size != self._expected_size:
            raise BlobRefused(f"{self.size} bytes instead of the announced {self._expected_size}")
        if self._expected is not None and self.digest != self._expected:
            raise BlobRefused(f"the bytes hash to {self.digest}, not to {self._expected}")
        with files.explained(self._path):
            os.fsync(self._file)
            self._path.replace(blobs / self.digest.hex)
            files.sync_folder(blobs)


@dataclass(frozen=True)
class Archive:
    """An open archive; holds no file open and no lock between calls."""

    path: Path

    @classmethod
    def open(cls, path: Path, create: bool = True) -> Archive:
        """The archive at `path`. Raises ArchiveError where there is none, or none that this version reads."""
        archive = cls(path)
        try:
            text = (path / "oci-layout").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if not create:
                raise ArchiveError(
                    f"no archive at {path}", "It is made when the first image is kept."
                ) from None
            archive._create()
            return archive
        except OSError as error:
            raise _unreadable(path, error) from error
        if text != LAYOUT:
            _check_layout(text, path)
        return archive

    @property
    def blobs(self) -> Path:
        """The folder of the blobs, each named by its hex digest."""
        return self.path / "blobs" / "sha256"

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob is, if it is there."""
        return self.blobs / digest.hex

    def has(self, digest: Digest) -> bool:
        """Whether a blob of this name is there; its bytes aren't looked at."""
        return self.blob_path(digest).is_file()

    def claim(self, digest: Digest) -> bool:
        """Whether a blob of this name is there; if so `gc` leaves it there for a day, as if it came just now.

        To be asked by whoever is about to name something that is made of it. Raises ArchiveError.
        """
        from buildbox.archive import savers

        try:
            savers.begin(self.path)
            if not self.has(digest):
                return False
            with files.locked(self.path / "lock"):
                return self._touch(digest)
        except files.ReadOnly:
            return self.has(digest)  # it is another's to collect

    def size(self, digest: Digest) -> int:
        """Bytes of the blob on disk. Raises BlobMissing."""
        try:
            return self.blob_path(digest).stat().st_size
        except FileNotFoundError:
            raise BlobMissing(digest, self.blob_path(digest)) from None

    def read(self, blob: Descriptor | Digest, limit: int) -> bytes:
        """The verified bytes of a blob of at most `limit` bytes.

        Raises BlobMissing, BlobDamaged; ArchiveError where it is larger.
        """
        digest = blob.digest if isinstance(blob, Descriptor) else blob
        with self._opened(digest) as file:
            data = _read(file, limit + 1)
        if len(data) > limit:
            raise ArchiveError(f"blob {digest} is larger than the {limit} bytes that its kind may have")
        if Digest.of(data) != digest:
            raise BlobDamaged(digest, self.blob_path(digest), "has other bytes than its digest says")
        if isinstance(blob, Descriptor) and len(data) != blob.size:
            raise ArchiveError(f"blob {digest} has {len(data)} bytes, what points at it says {blob.size}")
        return data

    def stream(self, digest: Digest) -> Iterator[bytes]:
        """The blob in chunks; the last one is given only when all of them hash right.

        Raises BlobMissing, BlobDamaged.
        """
        hasher = hashlib.sha256()
        held = b""
        with self._opened(digest) as file:
            while chunk := _read(file, CHUNK):
                if held:
                    yield held
                hasher.update(chunk)
                held = chunk
        if hasher.hexdigest() != digest.hex:
            raise BlobDamaged(digest, self.blob_path(digest), "has other bytes than its digest says")
        if held:
            yield held

    def is_sound(self, digest: Digest) -> bool:
        """Whether the blob is there and hashes to its name."""
        try:
            for _ in self.stream(digest):
                pass
        except (BlobMissing, BlobDamaged):
            return False
        return True

    def add_bytes(self, data: bytes) -> Digest:
        """Keeps a small blob. Raises ArchiveError."""
        digest = Digest.of(data)
        try:
            if self.read(digest, len(data)) == data and self.claim(digest):
                return digest
        except ArchiveError:
            pass  # missing, or damaged and now replaced
        with self.ingest(digest, len(data)) as writer:
            writer.write(data)
        return digest

    @contextmanager
    def ingest(self, expected: Digest | None = None, size: int | None = None) -> Iterator[BlobWriter]:
        """A writer whose bytes are a blob at the end of the block, unless that raises.

        Raises BlobRefused where they aren't `expected`, or not `size` bytes; ArchiveFull; ArchiveError.
        """
        from buildbox.archive import savers

        savers.begin(self.path)
        with files.aside(self.path / "ingest") as (file, path):
            writer = BlobWriter(file, path, expected, size)
            yield writer
            writer.finish(self.blobs)

    def refs(self) -> tuple[tuple[str, Descriptor], ...]:
        """Name and descriptor of everything kept by name, oldest first. Raises ArchiveError."""
        return tuple((name, found) for name, found in self._entries(unnamed=False))

    def entries(self) -> tuple[tuple[str, Descriptor], ...]:
        """The same, and under the name "" what other tools put there without one. Raises ArchiveError."""
        return tuple(self._entries(unnamed=True))

    def keep(self, descriptor: Descriptor, name: str) -> None:
        """Names a blob that is in the archive, as the newest entry; a name is there once.

        Raises BlobMissing where it isn't, ArchiveError.
        """
        if not self.has(descriptor.digest):
            raise BlobMissing(descriptor.digest, self.blob_path(descriptor.digest))
        entry = descriptor.to_json()
        entry["annotations"] = {**entry.get("annotations", {}), REF_NAME: name}
        with files.locked(self.path / "lock"):
            index = self._index()
            others = [e for e in index["manifests"] if (e.get("annotations") or {}).get(REF_NAME) != name]
            changed = {**index, "manifests": [*others, entry]}
            self._touch(descriptor.digest)  # gc may be about to drop the name
            if changed != index:
                files.put(canonical(changed), self.path / "index.json", self.path / "ingest")

    def drop(
        self, names: Collection[str], spare: Callable[[Descriptor], bool] = lambda descriptor: False
    ) -> frozenset[str]:
        """Forgets `names`, unless `spare` says so of what they mean now; gives those that are forgotten.

        The blobs stay, for `gc` to remove. Nobody names anything meanwhile. Raises ArchiveError.
        """
        with files.locked(self.path / "lock"):
            dropped = {name for name, found in self.refs() if name in names and not spare(found)}
            if dropped:
                index = self._index()
                left = [
                    e for e in index["manifests"] if (e.get("annotations") or {}).get(REF_NAME) not in dropped
                ]
                changed = canonical({**index, "manifests": left})
                files.put(changed, self.path / "index.json", self.path / "ingest")
        return frozenset(dropped)

    def _entries(self, unnamed: bool) -> Iterator[tuple[str, Descriptor]]:
        for entry in self._index()["manifests"]:
            told = entry.get("annotations")
            name = str(told.get(REF_NAME) or "") if isinstance(told, dict) else ""
            if name or unnamed:
                try:
                    yield name, Descriptor.from_json(entry)
                except ValueError as error:
                    raise self._bad_index(f"entry {name}: {error}") from error

    def _touch(self, digest: Digest) -> bool:
        """Sets the ctime of a blob to now and nothing else; False where there is no such blob."""
        path = self.blob_path(digest)
        try:
            seen = path.stat()
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        except FileNotFoundError:
            return False
        except PermissionError:
            pass  # another user's, in a shared archive
        except OSError as error:
            raise _unreadable(path, error) from error
        return True

    def _index(self) -> dict[str, Any]:
        path = self.path / "index.json"
        try:
            with open(path, "rb") as file:
                index = json.loads(file.read(MAX_INDEX))
        except FileNotFoundError:
            return _empty_index()
        except OSError as error:
            raise _unreadable(path, error) from error
        except ValueError as error:
            raise self._bad_index(str(error)) from error
        if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
            raise self._bad_index("it is not an image index")
        if not all(isinstance(entry, dict) for entry in index["manifests"]):
            raise self._bad_index("an entry is not an object")
        return index

    def _bad_index(self, why: str) -> ArchiveError:
        path = self.path / "index.json"
        return ArchiveError(
            f"the archive's list of names can't be read: {path}: {why}",
            f"Make it anew from the images, which are still there: {REPAIR}",
        )

    @contextmanager
    def _opened(self, digest: Digest) -> Iterator[int]:
        path = self.blob_path(digest)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(digest, path) from None
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            yield file
        except OSError as error:  # of the block's reads: the disk is failing, or the name is a folder
            raise BlobDamaged(digest, path, f"can't be read: {error.strerror}") from error
        finally:
            os.close(file)

    def _create(self) -> None:
        """Makes the layout; `oci-layout` comes last, so that an archive is complete or will be completed."""
        with files.explained(self.path):
            self.blobs.mkdir(parents=True, exist_ok=True)
            (self.path / "partial").mkdir(exist_ok=True)
        with files.locked(self.path / "lock"):
            if not (self.path / "index.json").exists():
                files.put(canonical(_empty_index()), self.path / "index.json", self.path / "ingest")
            files.put(LAYOUT, self.path / "oci-layout", self.path / "ingest")


_ELSEWHERE = "or name another place: `path` in [archive] of your config.toml, or BUILDBOX_HOME."


def _unreadable(path: Path, error: OSError) -> ArchiveError:
    if isinstance(error, PermissionError):
        hint = f"Make it readable for you, {_ELSEWHERE}"
    else:
        hint = f"Check that the disk is there and healthy, {_ELSEWHERE}"
    return ArchiveError(f"the archive can't be read: {path}: {error.strerror}", hint)


def _read(file: int, limit: int) -> bytes:
    """Up to `limit` bytes, fewer only at the end of the file."""
    parts = []
    while limit and (part := os.read(file, min(limit, CHUNK))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _empty_index() -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


def _check_layout(text: bytes, path: Path) -> None:
    try:
        version = json.loads(text)["imageLayoutVersion"]
    except (ValueError, KeyError, TypeError):
        raise ArchiveError(
            f"{path / 'oci-layout'} is damaged",
            f"It should read {LAYOUT.decode()}; write that into it if the folder is buildbox's archive.",
        ) from None
    if version != "1.0.0":
        raise ArchiveError(
            f"the archive at {path} has the layout version {version!r}; this buildbox reads 1.0.0",
            "Use the buildbox that wrote it, or a newer one.",
        )
