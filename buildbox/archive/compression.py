"""Which engines can't unpack which layers: better said before an image is loaded than by the engine after it.

Docker unpacks zstd in its classic store from 23.0 on (its release notes; moby#41759); before, it takes a
layer for a bare tar, and says "archive/tar: invalid tar header". With containerd's store, and in Podman, all
versions that are supported here do.
"""

from __future__ import annotations

import re

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.engine.protocol import Engine, EngineInfo
from buildbox.errors import ImageError

_ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1
_UNPACKS_ZSTD = 23  # Docker's first such version


class CannotUnpack(ImageError):
    """The engine can't unpack an image's layers."""


def check_layers(archive: Archive, image: ArchivedImage, engine: Engine) -> None:
    """Raises CannotUnpack where `engine` can't unpack a layer; it is only asked where there is doubt.

    What counts are a layer's first bytes: media types have been wrong.
    """
    packed = sum(_begins(archive, layer.digest.hex) == _ZSTD for layer in image.layers)
    if not packed:
        return
    info = engine.info()
    if not unpacks_zstd(info):
        count = f"{packed} of its {len(image.layers)} layers"
        raise CannotUnpack(
            f"image {image.manifest.digest} can't be loaded: {count} are compressed with zstd, "
            f"which {info.name} {info.version} can't unpack",
            f"Nothing was loaded. Use Docker Engine {_UNPACKS_ZSTD} or later, or Podman; or pin an image\n"
            "whose layers are compressed with gzip (with buildx: --output type=image,compression=gzip).",
        )


def unpacks_zstd(info: EngineInfo) -> bool:
    """Whether the engine unpacks layers that are compressed with zstd, as far as it is known."""
    if info.name != "Docker Engine" or not info.store.startswith("classic"):
        return True
    major = re.match(r"\d+", info.version)
    return major is None or int(major[0]) >= _UNPACKS_ZSTD


def _begins(archive: Archive, name: str) -> bytes:
    try:
        with open(archive.blobs / name, "rb") as file:
            return file.read(len(_ZSTD))
    except OSError:
        return b""  # loading says what is wrong with it
