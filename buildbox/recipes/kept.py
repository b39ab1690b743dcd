"""A package's way into the archive and out of it again, its sha256 checked each time.

What has come in is listed by an OCI artifact (image-spec 1.1, manifest.md, section "Guidelines for Artifact
Usage"), and only what is listed comes out: a recipe that a project brings can't have a blob installed that
came into the archive as something else, as a layer of an image say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.digest import CHUNK, Digest
from buildbox.oci import MAX_MANIFEST, OCI_MANIFEST, Descriptor, Manifest, canonical, parse_manifest
from buildbox.recipes.lock import Package, Wheel
from buildbox.reference import ImageRef

ARTIFACT = "application/vnd.buildbox.packages.v1"  # artifactType of a lock's packages
EMPTY = b"{}"  # manifest.md, section "Guidance for an Empty Descriptor"
_EMPTY = "application/vnd.oci.empty.v1+json"


def keep_listed(layers: Sequence[Descriptor], name: ImageRef, checksum: Digest, archive: Archive) -> Digest:
    """Lists packages that are in the archive, under `name`: they are no garbage there, and come out again.

    `checksum` is that of their lock. Gives the list's digest. Raises ArchiveError.
    """
    archive.add_bytes(EMPTY)
    manifest = list_bytes(layers, checksum)
    digest = archive.add_bytes(manifest)
    archive.keep(Descriptor(OCI_MANIFEST, digest, len(manifest)), full_name(name, digest))
    return digest


def list_bytes(layers: Sequence[Descriptor], checksum: Digest) -> bytes:
    """The list of packages, as a manifest; its config is EMPTY."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": ARTIFACT,
            "config": Descriptor(_EMPTY, Digest.of(EMPTY), len(EMPTY)).to_json(),
            "layers": [layer.to_json() for layer in layers],
            "annotations": {"buildbox.lock.checksum": str(checksum)},
        }
    )


def listed(archive: Archive) -> frozenset[Digest]:
    """All that the archive keeps as packages. Raises ArchiveError."""
    found: set[Digest] = set()
    for _, descriptor in archive.refs():
        if descriptor.media_type == OCI_MANIFEST:
            found.update(_listed(descriptor, archive))
    return frozenset(found)


def _listed(descriptor: Descriptor, archive: Archive) -> Iterator[Digest]:
    try:
        data = archive.read(descriptor, MAX_MANIFEST)
        manifest = parse_manifest(data)
    except (BlobDamaged, BlobMissing, ValueError):
        return  # who needs it will find out
    artifact = isinstance(manifest, Manifest) and json.loads(data).get("artifactType") == ARTIFACT
    # No image has an empty configuration, so none that is fetched can be such a list.
    if artifact and isinstance(manifest, Manifest) and manifest.config.media_type == _EMPTY:
        yield from (layer.digest for layer in manifest.layers)


def copy_out(package: Package | Wheel, among: Collection[Digest], archive: Archive, folder: Path) -> bool:
    """Whether the archive has the package, one of those `among`, whole.

    A damaged copy counts as none and is replaced later.
    """
    if package.digest not in among or not archive.claim(package.digest):
        return False
    try:
        with open(folder / package.file, "wb") as file:
            for chunk in archive.stream(package.digest):
                file.write(chunk)
    except BlobDamaged:
        (folder / package.file).unlink()
        return False
    return True


def take_in(package: Package | Wheel, archive: Archive, folder: Path) -> bool:
    """Whether it has been brought to `folder`; if so it is now in the archive, checked once more."""
    path = folder / package.file
    if not path.is_file():
        return False
    with open(path, "rb") as file, archive.ingest(package.digest, package.size) as writer:
        while chunk := file.read(CHUNK):
            writer.write(chunk)
    return True
