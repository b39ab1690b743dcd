"""From the archive into an engine: one tar that is both an OCI layout and a docker archive, so that the
image's id survives on every engine generation."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import LAYOUT, REF_NAME, Archive, BlobDamaged
from buildbox.digest import Digest
from buildbox.engine.protocol import Engine
from buildbox.errors import BuildboxError, EngineError, ImageError
from buildbox.oci import OCI_INDEX, canonical
from buildbox.progress import Progress

_CONTAINERD_NAME = "io.containerd.image.name"  # annotation that `docker save` writes and containerd reads
_BLOCK = 512  # bytes; tar's unit


def keep_tag(image: ArchivedImage) -> str:
    """The tag that saves a loaded image from `docker image prune`. Nothing is ever looked up by it."""
    return f"buildbox.local/keep:sha256-{image.manifest.digest.hex[:32]}"


def load(archive: Archive, image: ArchivedImage, engine: Engine, progress: Progress) -> str:
    """Streams the image into the engine; gives the id that the engine knows it by.

    Raises BlobMissing, BlobDamaged (the engine then saw no whole tar), EngineError; ImageError where the
    engine has none of the image's ids afterwards.
    """
    try:
        _stream(archive, image, engine, progress)
    except EngineError as error:
        # Docker 26.1's containerd store goes on with what it has of a blob from a load that broke off, not
        # minding what those bytes were. Where the archive was damaged then, the whole has another digest.
        # That is the end of what it had: the next load begins anew.
        if "content digest" not in error.reason:
            raise
        progress.note("the engine stumbled over the rest of a load that broke off; loading again")
        _stream(archive, image, engine, progress)
    for image_id in image.ids:
        if engine.has_image(image_id):
            return image_id
    raise ImageError(
        f"the engine loaded image {image.manifest.digest} but knows it by none of its ids",
        "It has none of: " + ", ".join(image.ids),
    )


def _stream(archive: Archive, image: ArchivedImage, engine: Engine, progress: Progress) -> None:
    faults: list[BuildboxError] = []

    def checked() -> Iterator[bytes]:
        try:
            for chunk in image_tar(archive, image, keep_tag(image)):
                yield chunk
                meter.advance(len(chunk))
        except BuildboxError as error:
            faults.append(error)
            raise

    total = sum(blob.size for blob in (image.manifest, image.config, *image.layers))
    with progress.meter("loading into the engine", total) as meter:
        try:
            engine.load(checked())
        except Exception as error:
            if faults:  # the engine only saw the stream break; this is why
                raise faults[0] from error
            raise


def image_tar(archive: Archive, image: ArchivedImage, tag: str) -> Iterator[bytes]:
    """The tar, in chunks; the same bytes for the same image. Memory stays flat.

    Each blob is verified on its way: a damaged one stops the tar short. Raises BlobMissing, BlobDamaged.
    """
    entry = image.manifest.to_json()
    entry["annotations"] = {REF_NAME: tag, _CONTAINERD_NAME: tag}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    docker = [
        {
            "Config": _blob_name(image.config.digest),
            "RepoTags": [tag],
            "Layers": [_blob_name(layer.digest) for layer in image.layers],
        }
    ]
    yield from _file("oci-layout", LAYOUT)
    yield from _file("index.json", canonical(index))
    yield from _file("manifest.json", json.dumps(docker).encode())
    yield from (_folder("blobs/"), _folder("blobs/sha256/"))
    sizes = {blob.digest: blob.size for blob in (image.manifest, image.config, *image.layers)}
    if image.index:
        sizes[image.index] = archive.size(image.index)
    for digest, size in sizes.items():
        yield from _blob(archive, digest, size)
    yield bytes(2 * _BLOCK)


def _blob(archive: Archive, digest: Digest, size: int) -> Iterator[bytes]:
    if archive.size(digest) != size:
        raise BlobDamaged(digest, archive.blob_path(digest), f"doesn't have the {size} bytes that it should")
    yield _header(_blob_name(digest), size)
    yield from archive.stream(digest)
    yield _padding(size)


def _file(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data)) + data + _padding(len(data))


def _folder(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info.tobuf(tarfile.GNU_FORMAT)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _blob_name(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"
