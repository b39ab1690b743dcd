"""Layers into the archive, and an image of them (image-spec 1.1): the same bytes for the same tars."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.digest import CHUNK, Digest
from buildbox.errors import ImageError
from buildbox.oci import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    canonical,
)
from buildbox.recipes.record import Built
from buildbox.recipes.tools import Command, Tools
from buildbox.recipes.workplace import Workplace
from buildbox.reference import ImageRef

# GNU gzip as a process: its bytes have not changed in decades, those of zlib's builds differ.
# Level 4 takes half the time of 6 for 3% more bytes.
_GZIP = ("gzip", "-n", "-4", "-k")


@dataclass(frozen=True)
class Layer:
    """A layer that is in the archive."""

    blob: Descriptor
    diff_id: Digest  # before compression


def add_layer(tar: Path, place: Workplace, tools: Tools, archive: Archive) -> Layer:
    """Compresses the tar of a layer, which is in the workplace, into the archive.

    Raises ArchiveError; ImageError where it can't be compressed.
    """
    with ThreadPoolExecutor(1) as pool:
        uncompressed = pool.submit(digest_of, tar)  # meanwhile
        done = tools.run(Command((*_GZIP, str(tar)), place))
        diff_id = uncompressed.result()
    if done.status:
        raise ImageError(f"the layer can't be compressed: {done.errors.strip() or done.status}")
    packed = tar.with_name(f"{tar.name}.gz")
    digest = digest_of(packed)
    size = packed.stat().st_size
    with open(packed, "rb") as file, archive.ingest(digest, size) as writer:
        while chunk := file.read(CHUNK):
            writer.write(chunk)
    return Layer(Descriptor(OCI_LAYER_GZIP, digest, size), diff_id)


def add_manifest(
    image: ImageRef,
    platform: Platform,
    config: bytes,
    layers: Sequence[Layer],
    annotations: Mapping[str, str],
    archive: Archive,
) -> Built:
    """Makes an image of layers that are in the archive, lowest first, and keeps it under its pin.

    The pin is an index with the one platform that was built, since a later publication for several platforms
    is an index too, and the same for the same set of platforms. Raises ArchiveError.
    """
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, archive.add_bytes(config), len(config)).to_json(),
            "layers": [layer.blob.to_json() for layer in layers],
            "annotations": dict(annotations),
        }
    )
    entry = Descriptor(OCI_MANIFEST, archive.add_bytes(manifest), len(manifest), platform)
    index = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json()]})
    top = Descriptor(OCI_INDEX, archive.add_bytes(index), len(index))
    pin = image.pinned(top.digest)
    archive.keep(top, full_name(pin, top.digest))
    diff_ids = tuple(layer.diff_id for layer in layers)
    size = sum(layer.blob.size for layer in layers)
    return Built(pin, str(platform), entry.digest, Digest.of(config), diff_ids, size)


def digest_of(path: Path) -> Digest:
    """The digest of a file's bytes."""
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return Digest(hasher.hexdigest())
