"""What is in the archive, looked at quickly: names, sizes and the small blobs' hashes; layers aren't read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import CONFIGS, MAX_MANIFEST, Descriptor, Index, Manifest, Platform, parse_manifest


@dataclass(frozen=True)
class Survey:
    """What was found."""

    path: Path
    exists: bool
    images: int = 0  # kept by name
    size: int = 0  # bytes of all blobs
    damaged: tuple[str, ...] = ()  # a line each
    incomplete: int = 0  # images of which a part was never fetched
    closed: str = ""  # what isn't writable for the caller


def survey(path: Path) -> Survey:
    """Looks at the archive at `path`. Raises ArchiveError where it can't be read at all."""
    place = existing(path)
    closed = "" if os.access(place, os.W_OK | os.X_OK) else str(place)
    if not (path / "oci-layout").exists():
        return Survey(path, exists=False, closed=closed)
    archive = Archive.open(path, create=False)
    damaged: dict[str, None] = {}
    images = incomplete = 0
    for descriptor in {descriptor.digest: descriptor for _, descriptor in archive.refs()}.values():
        try:
            top = _manifest(archive, descriptor)
            whole = _look(archive, top, damaged)
        except ArchiveError as error:
            damaged[error.reason] = None
            continue
        except ValueError:
            continue  # another tool's artifact
        images += isinstance(top, Index) or top.config.media_type in CONFIGS
        incomplete += not whole
    for folder in (archive.blobs, path / "ingest", path / "partial", path / "index.json", path / "lock"):
        if folder.exists() and not os.access(folder, os.W_OK):
            closed = str(folder)
    return Survey(path, True, images, _size(archive.blobs), tuple(damaged), incomplete, closed)


def whole_images(path: Path, platform: Platform) -> list[tuple[str, ArchivedImage]]:
    """The names and images for `platform` of which the archive has every blob, the smallest first."""
    if not (path / "oci-layout").exists():
        return []
    archive = Archive.open(path, create=False)
    found: dict[Digest, tuple[str, ArchivedImage]] = {}
    for name, descriptor in archive.refs():
        try:
            image = find_image(archive, descriptor.digest, platform)
        except (ArchiveError, ImageError):
            continue
        if image and all(archive.has(layer.digest) for layer in image.layers):
            found[image.manifest.digest] = (name.partition("@")[0].removeprefix("docker.io/"), image)
    return sorted(found.values(), key=lambda pair: sum(layer.size for layer in pair[1].layers))


def existing(path: Path) -> Path:
    """`path`, or the closest folder above it that is there."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _look(archive: Archive, top: Manifest | Index, damaged: dict[str, None]) -> bool:
    """Whether all is there that should be; what is wrong is added to `damaged`.

    Of an index, only the platforms that were fetched are there, and another may have been begun.
    """
    if isinstance(top, Manifest):
        return _check(archive, top, damaged, missing_is_damage=True)
    whole = True
    for child in top.manifests:
        if archive.has(child.digest):
            manifest = _manifest(archive, child)
            if isinstance(manifest, Manifest):
                whole &= _check(archive, manifest, damaged, missing_is_damage=False)
    return whole


def _check(
    archive: Archive, manifest: Manifest, damaged: dict[str, None], *, missing_is_damage: bool
) -> bool:
    whole = True
    for blob in (manifest.config, *manifest.layers):
        try:
            size = archive.size(blob.digest)
        except BlobMissing as error:
            whole = False
            if missing_is_damage:
                damaged[error.reason] = None
            continue
        if size != blob.size:
            how = f"has {size} bytes instead of {blob.size}"
            damaged[BlobDamaged(blob.digest, archive.blob_path(blob.digest), how).reason] = None
    return whole


def _manifest(archive: Archive, descriptor: Descriptor) -> Manifest | Index:
    return parse_manifest(archive.read(descriptor, MAX_MANIFEST), descriptor.media_type)


def _size(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:
        return 0  # a blob went away while we looked, or all of them
