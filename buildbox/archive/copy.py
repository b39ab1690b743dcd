"""From one archive into another."""

from __future__ import annotations

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.digest import Digest


def has_all(archive: Archive, image: ArchivedImage) -> bool:
    """Whether every blob of the image is there and hashes to its name."""
    return all(archive.is_sound(digest) for digest in _blobs(image))


def copy_image(image: ArchivedImage, source: Archive, target: Archive) -> None:
    """Copies what `target` lacks of the image, or has damaged; what points at blobs comes after them.

    It isn't named there yet: see Archive.keep. Raises BlobMissing, BlobDamaged, ArchiveError.
    """
    for digest in _blobs(image):
        if not (target.claim(digest) and target.is_sound(digest)):
            with target.ingest(digest, source.size(digest)) as writer:
                for chunk in source.stream(digest):
                    writer.write(chunk)


def _blobs(image: ArchivedImage) -> list[Digest]:
    """All of the image: first the layers, the index last."""
    parts = [*image.layers, image.config, image.manifest]
    return [*(part.digest for part in parts), *([image.index] if image.index else [])]
