"""What `docker save` gives, as a config and layers.

Two layouts: that of the docker image specification 1.2 (HEX.json, HEX/layer.tar, some of them links), and
since Docker 25 an OCI layout with blobs/sha256/HEX. In both, `manifest.json` names the parts.
"""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from buildbox.archive.chunks import ChunkFile
from buildbox.archive.images import MAX_CONFIG, read_config
from buildbox.digest import CHUNK, Digest
from buildbox.errors import ImageError
from buildbox.oci import Platform
from buildbox.recipes.layers import digest_of

_MANIFEST, _INDEX = "manifest.json", "index.json"
_UNREADABLE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, LookupError, TypeError, ValueError)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # what they begin with


@dataclass(frozen=True)
class Exported:
    """An image that an engine has given out."""

    config: bytes  # the engine's own
    platform: Platform
    diff_ids: tuple[Digest, ...]  # of the layers, lowest first
    layers: tuple[Path, ...]  # their tars, uncompressed; two may be the same


def unpack(chunks: Iterator[bytes], image_id: str, folder: Path) -> Exported:
    """Reads the tar of image `image_id` once, and puts its layers into `folder`.

    Raises ImageError where it isn't that image, OSError.
    """
    try:
        found = _Tar(chunks, folder)
        entries = json.loads(found.small(_MANIFEST))
        config = found.small(entries[0]["Config"])
        manifests = json.loads(found.small(_INDEX))["manifests"] if found.has(_INDEX) else []
        if image_id not in (str(Digest.of(config)), *(entry["digest"] for entry in manifests)):
            raise ImageError(f"the engine gave another image than {image_id}")
        document = read_config(config, Digest.of(config))
        diff_ids = tuple(Digest.parse(each) for each in json.loads(config)["rootfs"]["diff_ids"] or ())
        layers = tuple(_plain(found.path(name)) for name in entries[0]["Layers"] or ())
        if [digest_of(path) for path in layers] != list(diff_ids):
            raise ImageError(
                f"the layers that the engine gave of {image_id} aren't those of its configuration"
            )
    except _UNREADABLE as error:
        raise ImageError(f"what the engine gave of {image_id} can't be read: {error!r}") from None
    return Exported(config, document.platform, diff_ids, layers)


class _Tar:
    """The members of a tar that was read as a stream, each in a file of its own."""

    def __init__(self, chunks: Iterator[bytes], folder: Path) -> None:
        self._files: dict[str, Path] = {}
        self._links: dict[str, str] = {}
        with tarfile.open(fileobj=io.BufferedReader(ChunkFile(chunks), CHUNK), mode="r|") as tar:
            for number, member in enumerate(tar):
                name = posixpath.normpath(member.name)
                file = tar.extractfile(member) if member.isreg() else None
                if file:
                    self._files[name] = folder / str(number)
                    with open(self._files[name], "xb") as target:
                        _copy(file, target)
                elif member.issym():
                    self._links[name] = posixpath.normpath(
                        posixpath.join(posixpath.dirname(name), member.linkname)
                    )

    def has(self, name: str) -> bool:
        return name in self._files

    def path(self, name: str) -> Path:
        """Raises KeyError."""
        return self._files[self._links.get(name, name)]

    def small(self, name: str) -> bytes:
        """The bytes of a document. Raises KeyError, ValueError."""
        path = self.path(name)
        if path.stat().st_size > MAX_CONFIG:
            raise ValueError(f"{name} is larger than any real one")
        return path.read_bytes()


def _plain(path: Path) -> Path:
    """The layer without its compression: a containerd store keeps layers as they came."""
    with open(path, "rb") as file:
        begin = file.read(4)
    if begin == _ZSTD:
        raise ImageError("the engine keeps a layer compressed with zstd, which isn't read here")
    if begin[:2] != _GZIP:
        return path
    plain = path.with_name(f"{path.name}.tar")
    if not plain.exists():
        with gzip.open(path) as source, open(plain, "xb") as target:
            _copy(source, target)
    return plain


def _copy(source: IO[bytes] | gzip.GzipFile, target: IO[bytes]) -> None:
    while chunk := source.read(CHUNK):
        target.write(chunk)
