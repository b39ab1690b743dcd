"""What the archive keeps, told from its names and manifests: no layer is read, and no configuration but
that of an image outside of an index. For what runs have left, results and statements, see left.py."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from buildbox.archive import files
from buildbox.archive.hints import Hint
from buildbox.archive.images import MAX_CONFIG, read_config
from buildbox.archive.layout import Archive, BlobMissing
from buildbox.archive.marks import Mark
from buildbox.archive.soundness import SET_ASIDE
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import (
    CONFIGS,
    INDEXES,
    MANIFESTS,
    MAX_MANIFEST,
    Descriptor,
    Manifest,
    parse_manifest,
)

IMAGE, PACKAGES, RESULT, STATEMENT, OTHER = "image", "packages", "result", "provenance", "other"  # kinds
_PACKAGES = "application/vnd.buildbox.packages.v1"  # artifactType of a lock's packages
_LOCK = "buildbox.lock.checksum"  # annotation of an image that was built from a lock, and of its packages


@dataclass(frozen=True)
class Kept:
    """Something that is kept, under one or more names."""

    top: Descriptor
    names: tuple[str, ...]  # full ones, oldest first; none: another tool's, or needed without having a name
    kind: str  # IMAGE, PACKAGES, RESULT, STATEMENT or OTHER
    platforms: tuple[str, ...]  # of those of its images that are here
    blobs: Mapping[Digest, int]  # all of it that is here: bytes
    manifests: frozenset[Digest]  # the top and what else a pin may name
    locks: frozenset[str]  # checksums of the locks that it was made from, or has the packages of
    since: float  # when it was kept, in seconds since the epoch
    changed: int  # ctime of the top, in nanoseconds: later once somebody counts on it
    missing: int  # blobs that should be here and aren't
    damage: str  # why what it needs can't be told; "" where it can
    hint: Hint | None = None  # of a result: what it is found by
    mark: Mark | None = None  # of a statement: what it is found by
    step: str = ""  # of a result or a statement: what it is that of
    signed: bool = False  # of a statement

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(self.blobs.values())


def take_stock(archive: Archive, needed: Iterable[Digest] = ()) -> tuple[Kept, ...]:
    """All that is kept, oldest first; and those of the images `needed` that are here and in nothing kept.

    Raises ArchiveError where the names can't be read.
    """
    present = blob_names(archive)
    named: dict[Digest, tuple[Descriptor, list[str]]] = {}
    for name, top in archive.entries():
        names = named.setdefault(top.digest, (top, []))[1]
        if name:
            names.append(name)
    stock = [_kept(archive, present, top, tuple(names)) for top, names in named.values()]
    known = frozenset().union(*(kept.manifests for kept in stock))
    for digest in set(needed) - known:
        if digest.hex in present:
            top = Descriptor("", digest, archive.size(digest))
            stock.append(_kept(archive, present, top, ()))
    return tuple(stock)


def blob_names(archive: Archive) -> frozenset[str]:
    """The hex digests of all blobs. Raises ArchiveError."""
    with files.explained(archive.blobs):
        return frozenset(entry.name for entry in os.scandir(archive.blobs))


@dataclass
class _Found:
    """What a walk has come upon."""

    blobs: dict[Digest, int] = field(default_factory=dict)
    manifests: set[Digest] = field(default_factory=set)
    platforms: list[str] = field(default_factory=list)
    locks: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    missing: int = 0
    damage: str = ""


def _kept(archive: Archive, present: frozenset[str], top: Descriptor, names: tuple[str, ...]) -> Kept:
    found = _Found()
    since, changed = 0.0, 0
    try:
        status = archive.blob_path(top.digest).stat()
        since, changed = status.st_mtime, status.st_ctime_ns
    except OSError:
        pass  # it counts as missing
    _walk(archive, present, top, found, must=True)
    kind = next((kind for kind in (IMAGE, PACKAGES) if kind in found.kinds), OTHER)
    return Kept(
        top,
        names,
        kind,
        tuple(dict.fromkeys(found.platforms)),
        found.blobs,
        frozenset(found.manifests),
        frozenset(found.locks),
        since,
        changed,
        found.missing,
        found.damage,
    )


def _walk(archive: Archive, present: frozenset[str], blob: Descriptor, found: _Found, *, must: bool) -> None:
    """Adds `blob`, a manifest or index, and what is below it. Not all images of an index must be there."""
    if blob.digest in found.manifests:
        return
    if blob.digest.hex not in present:
        found.missing += must
        if (archive.path / SET_ASIDE / blob.digest.hex).exists():
            found.damage = f"{blob.digest} is being repaired"
        return
    found.blobs[blob.digest] = blob.size
    found.manifests.add(blob.digest)
    if blob.media_type and blob.media_type not in INDEXES | MANIFESTS:
        return  # another tool's own
    try:
        data = archive.read(blob.digest, MAX_MANIFEST)
        document = parse_manifest(data, blob.media_type)
        value = json.loads(data)
    except BlobMissing:
        found.missing += must
        return
    except (ArchiveError, ValueError) as error:
        found.damage = str(error)
        return
    if isinstance(document, Manifest):
        _add_parts(archive, present, blob, document, value, found)
        return
    for child in document.manifests:
        _walk(archive, present, child, found, must=False)


def _add_parts(
    archive: Archive,
    present: frozenset[str],
    blob: Descriptor,
    document: Manifest,
    value: dict[str, Any],
    found: _Found,
) -> None:
    for part in (document.config, *document.layers):
        if part.digest.hex in present:
            found.blobs[part.digest] = part.size
        else:
            found.missing += 1
    annotations = value.get("annotations")
    lock = annotations.get(_LOCK) if isinstance(annotations, dict) else None
    if lock:
        found.locks.add(str(lock))
    if value.get("artifactType") == _PACKAGES:
        found.kinds.add(PACKAGES)
    elif document.config.media_type in CONFIGS and "artifactType" not in value:
        found.kinds.add(IMAGE)
        platform = blob.platform or _platform(archive, document.config)
        if platform:
            found.platforms.append(str(platform))


def _platform(archive: Archive, config: Descriptor) -> object:
    try:
        return read_config(archive.read(config, MAX_CONFIG), config.digest).platform
    except (ArchiveError, ImageError):
        return None
