"""From the archive to a registry, byte for byte. Blobs go first, then what points at them, tags last: whoever
stops half-way leaves every tag as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from buildbox.archive.layout import Archive, BlobDamaged
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import MAX_MANIFEST, Descriptor, Index, parse_manifest
from buildbox.progress import Progress
from buildbox.registry.client import Registry
from buildbox.registry.push import (
    has_blob,
    has_manifest,
    push_blob,
    push_manifest,
    push_tag,
)

_DEPTH = 4  # indexes in indexes; real ones have one in none
Mount = Callable[
    [Descriptor, str], bool
]  # has the registry take a blob into a repository from another one; False: it is to be sent


@dataclass(frozen=True)
class Pushed:
    """Bytes that went over the wire, that the repository had already, that the registry had in another."""

    sent: int
    present: int
    mounted: int = 0

    def __add__(self, other: Pushed) -> Pushed:
        return Pushed(self.sent + other.sent, self.present + other.present, self.mounted + other.mounted)


def never(blob: Descriptor, repository: str) -> bool:
    """Mounts nothing."""
    return False


def push_content(
    archive: Archive,
    registry: Registry,
    repository: str,
    top: Descriptor,
    progress: Progress,
    mount: Mount = never,
) -> Pushed:
    """Brings to `repository` all that the manifest or index `top`, of an image or an artifact, points at.

    `top` itself is left to `push_top`. What is in the registry isn't sent again, nor what it
    takes over by `mount`. One blob after the other: Ctrl-C stops it at once. Raises ImageError, OtherBytes;
    BlobMissing, BlobDamaged (of a damaged blob the registry never gets the last bytes).
    """
    manifests, blobs = contents(archive, top)
    absent = [blob for blob in blobs if not has_blob(registry, repository, blob)]
    wanted = [blob for blob in absent if not mount(blob, repository)]
    size = sum(blob.size for blob in wanted)
    missing = sum(blob.size for blob in absent)
    pushed = Pushed(size, sum(blob.size for blob in blobs) - missing, missing - size)
    if wanted:
        with progress.meter(f"pushing to {registry.host}/{repository}", size) as meter:
            for blob in wanted:
                push_blob(
                    registry,
                    repository,
                    blob,
                    lambda digest=blob.digest: archive.stream(digest),  # type: ignore[misc]
                    meter.advance,
                    progress.note,
                )
    for manifest, data in manifests:
        if has_manifest(registry, repository, manifest.digest):
            pushed += Pushed(0, len(data))
        else:
            push_manifest(registry, repository, manifest.digest, data, manifest.media_type)
            pushed += Pushed(len(data), 0)
    return pushed


def push_top(
    archive: Archive, registry: Registry, repository: str, top: Descriptor, tag: str, *, move: bool
) -> Pushed:
    """Makes `tag` mean `top`, all of whose content is there, and reads it back; see registry.push.push_tag.

    Raises TagTaken, OtherBytes, ImageError, ArchiveError.
    """
    data = archive.read(top, MAX_MANIFEST)
    if push_tag(registry, repository, tag, data, top.media_type, move=move):
        return Pushed(len(data), 0)
    return Pushed(0, len(data))


def contents(archive: Archive, top: Descriptor) -> tuple[list[tuple[Descriptor, bytes]], list[Descriptor]]:
    """The manifests below `top`, each after those that it points at, and all blobs; each once.

    Raises BlobMissing, and BlobDamaged for a blob of another size; blobs aren't read. ImageError where `top`
    is neither manifest nor index.
    """
    manifests: dict[Digest, tuple[Descriptor, bytes]] = {}
    blobs: dict[Digest, Descriptor] = {}
    for entry, data, below in _walk(archive, top, _DEPTH):
        blobs |= {blob.digest: blob for blob in below}
        if entry is not top:
            manifests[entry.digest] = (entry, data)
    for blob in blobs.values():
        if archive.size(blob.digest) != blob.size:
            raise BlobDamaged(blob.digest, archive.blob_path(blob.digest), f"doesn't have {blob.size} bytes")
    return list(manifests.values()), list(blobs.values())


def claim_contents(archive: Archive, top: Descriptor) -> None:
    """Claims all that there is of `top`, for whoever is about to name it anew. Raises as `contents` does."""
    manifests, blobs = contents(archive, top)
    for each in (*blobs, *(entry for entry, _ in manifests), top):
        archive.claim(each.digest)


def _walk(
    archive: Archive, entry: Descriptor, depth: int
) -> Iterator[tuple[Descriptor, bytes, tuple[Descriptor, ...]]]:
    """Every manifest and index from `entry` down, lowest first, with the blobs that it points at."""
    data = archive.read(entry, MAX_MANIFEST)
    try:
        found = parse_manifest(data, entry.media_type)
    except ValueError as error:
        raise ImageError(f"{entry.digest} is not an image: {error}") from None
    if not isinstance(found, Index):
        yield entry, data, (found.config, *found.layers)
        return
    if not depth:
        raise ImageError(f"the index {entry.digest} is nested too deeply")
    for child in found.manifests:
        yield from _walk(archive, child, depth - 1)
    yield entry, data, ()
