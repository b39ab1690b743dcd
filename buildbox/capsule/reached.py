"""What the index.json of an archive leads to, all of it there; and how large its images become."""

from __future__ import annotations

from collections.abc import Mapping

from buildbox.archive.layout import Archive
from buildbox.capsule.members import Malformed
from buildbox.capsule.unpacked import unpacked_size
from buildbox.digest import Digest
from buildbox.oci import (
    CONFIGS,
    INDEXES,
    MANIFESTS,
    MAX_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    parse_manifest,
)
from buildbox.trees.faults import shown
from buildbox.units import show_size

_DEPTH = 4  # indexes in indexes
_ROOM = 1 << 30  # bytes that layers may unpack to at least
_RATIO = 100  # times their size that layers may unpack to; real ones take 2 to 6, or seem to take 40


class Reached:
    """What a walk has come upon. `blobs` are those that are there, with their sizes."""

    def __init__(self, archive: Archive, blobs: Mapping[Digest, int]) -> None:
        self._archive, self._blobs = archive, blobs
        self._walked: dict[Digest, bool] = {}
        self.found: set[Digest] = set()
        self.layers: dict[Digest, int] = {}  # of images: bytes
        self.images: set[Digest] = set()  # and the indexes that have them

    def walk(self, top: Descriptor, depth: int = _DEPTH) -> bool:
        """Adds `top`, a manifest or an index, and all below; whether it has an image.

        Of an index some images may be missing, not all. Raises Malformed, ArchiveError, ValueError.
        """
        if top.digest not in self._walked:  # an index of indexes that are all the same is walked once
            self._add(top)
            if top.media_type not in MANIFESTS | INDEXES or not depth:
                kind = shown(top.media_type)
                raise Malformed(f"{top.digest} is neither an image nor an index of some ({kind})")
            document = parse_manifest(self._archive.read(top, MAX_MANIFEST), top.media_type)
            image = (
                self._index(top, document, depth) if isinstance(document, Index) else self._parts(document)
            )
            self._walked[top.digest] = image
            if image:
                self.images.add(top.digest)
        return self._walked[top.digest]

    def _index(self, top: Descriptor, index: Index, depth: int) -> bool:
        there = [child for child in index.manifests if child.digest in self._blobs]
        if not there:
            raise Malformed(f"the index {top.digest} has none of its images")
        return sum(self.walk(child, depth - 1) for child in there) > 0

    def _parts(self, manifest: Manifest) -> bool:
        for part in (manifest.config, *manifest.layers):
            self._add(part)
        if manifest.config.media_type not in CONFIGS:
            return False
        self.layers.update((layer.digest, layer.size) for layer in manifest.layers)
        return True

    def _add(self, part: Descriptor) -> None:
        if part.digest not in self._blobs:
            raise Malformed(f"it lacks {part.digest}")
        if self._blobs[part.digest] != part.size:
            raise Malformed(f"{part.digest} isn't of the size that is said of it")
        self.found.add(part.digest)


def check_unpacked(archive: Archive, layers: Mapping[Digest, int]) -> None:
    """Raises Malformed where an engine would be filled up by layers that are small here."""
    left = limit = _ROOM + _RATIO * sum(layers.values())
    for digest in sorted(layers):
        left -= unpacked_size(archive.stream(digest), left)
        if left < 0:
            raise Malformed(
                f"its images, {show_size(sum(layers.values()))}, unpack to more than {show_size(limit)}"
            )
