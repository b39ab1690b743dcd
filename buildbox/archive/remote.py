"""A remote archive: repositories below one path of any registry, in which every manifest has a tag, since
registries delete what has none.

    REMOTE/REGISTRY/REPOSITORY       of docker.io/library/debian: REMOTE/docker-io/library/debian
    tag keep-sha256-HEX              the manifest or index with this digest
    tag keep-sha256-HEX.index        an artifact that holds the bytes of this index as its only layer, where
                                     the registry takes no index of which it lacks a platform
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildbox.archive.images import read_manifest
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.push import contents
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import (
    MAX_MANIFEST,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    canonical,
    parse_manifest,
)
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry, other_bytes

EMPTY = b"{}"  # manifest.md, section "Guidance for an Empty Descriptor"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_KEPT_TYPE = "application/vnd.buildbox.kept-index.v1+json"  # not an index's own: registries look into those


@dataclass(frozen=True)
class Held:
    """What the archive has of a pin; all of it but `missing`."""

    top: Descriptor
    document: Manifest | Index
    children: tuple[Descriptor, ...]  # of an index: those that are there with all that they point at
    missing: tuple[Descriptor, ...]  # of an index: the others


def remote_ref(remote: str, ref: ImageRef) -> ImageRef:
    """What the remote archive (`registry.example.com/team/archive`) calls the pinned image `ref`.

    Raises ImageError where that makes no image's name.
    """
    folder = re.sub(r"[^a-z0-9]+", "-", ref.registry.lower()).strip("-")
    at = f"@{ref.digest}" if ref.digest else ""
    try:
        return ImageRef.parse(f"{remote}/{folder}/{ref.repository}{at}")
    except ValueError as error:
        raise ImageError(f"the remote archive {remote} can have no image {ref.name}: {error}") from None


def retention_tag(digest: Digest) -> str:
    """The tag that holds a manifest or index in a registry."""
    return f"keep-sha256-{digest.hex}"


def index_tag(digest: Digest) -> str:
    """The tag of the artifact that holds the bytes of an index which the registry didn't take."""
    return f"{retention_tag(digest)}.index"


def held(archive: Archive, pin: Digest) -> Held | None:
    """What the archive has of `pin`; None where that makes no image.

    Blobs aren't read but for manifests. Raises ImageError where it isn't an image's, BlobDamaged.
    """
    try:
        data = archive.read(pin, MAX_MANIFEST)
        document = read_manifest(data, pin)
        top = Descriptor(document.media_type, pin, len(data))
        if isinstance(document, Manifest):
            contents(archive, top)
            return Held(top, document, (), ())
    except BlobMissing:
        return None
    there = tuple(child for child in document.manifests if _is_whole(archive, child))
    missing = tuple(child for child in document.manifests if child not in there)
    return Held(top, document, there, missing) if there else None


def kept_index(index: Digest, size: int) -> bytes:
    """The manifest of the artifact that holds the bytes of `index` (manifest.md, section "Guidelines for
    Artifact Usage")."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": _KEPT_TYPE,
            "config": Descriptor(_EMPTY_TYPE, Digest.of(EMPTY), len(EMPTY)).to_json(),
            "layers": [Descriptor(_KEPT_TYPE, index, size).to_json()],
        }
    )


def read_kept_index(registry: Registry, repository: str, pin: Digest) -> bytes | None:
    """The bytes of an index that the remote archive holds as an artifact; None where it doesn't.

    Raises ImageError, OtherBytes.
    """
    tag = index_tag(pin)
    if not registry.has(repository, tag):
        return None
    document = parse_manifest(registry.manifest(repository, tag).data)
    layers = document.layers if isinstance(document, Manifest) else ()
    blob = next((layer for layer in layers if layer.digest == pin and layer.size <= MAX_MANIFEST), None)
    if blob is None:
        raise ImageError(f"the tag {tag} in {registry.host}/{repository} doesn't hold that index")
    return read_blob(registry, repository, blob)


def read_blob(registry: Registry, repository: str, blob: Descriptor) -> bytes:
    """A blob in memory, verified; who asks has seen that it isn't large. Raises ImageError, OtherBytes."""
    data = b"".join(registry.blob(repository, blob))
    if Digest.of(data) != blob.digest:
        raise other_bytes(registry.host, blob.digest, f"they hash to {Digest.of(data)}")
    return data


def _is_whole(archive: Archive, child: Descriptor) -> bool:
    try:
        contents(archive, child)
    except (BlobMissing, BlobDamaged):
        return False
    return True
