"""Large images to measure with, made into an archive layer by layer: none is ever in memory as a whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from buildbox.archive.layout import Archive, BlobWriter
from buildbox.digest import Digest
from buildbox.oci import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Platform, canonical

_REAL = ("/usr/bin", "/usr/lib", "/usr/share")
_PIECE = 1 << 20  # bytes of a made-up file
_MB = 1_000_000

Contents = Iterator[tuple[str, bytes]]  # names and bytes of files


def real_image(archive: Archive, platform: Platform, size: int) -> Descriptor:
    """An image of `size` MB, uncompressed, of this machine's own programs and libraries, in four layers.

    No two are the same: an engine has no layer of a new one.
    """
    found = _real_files()
    layers = [_layer(archive, _first(found, size * _MB // 4), level=6) for _ in range(4)]
    return _image(archive, platform, layers)


def large_image(archive: Archive, platform: Platform, size: int) -> Descriptor:
    """An image whose blobs have `size` MB and a little more: random bytes in eight layers, text in one."""
    layers = [_layer(archive, _made_up(os.urandom, size * _MB // 8), level=0) for _ in range(8)]
    layers.append(
        _layer(archive, _made_up(lambda count: os.urandom(count // 2).hex().encode(), 128 * _MB), 1)
    )
    return _image(archive, platform, layers)


def _real_files() -> Contents:
    for top in _REAL:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 4 * _PIECE:
                    yield str(path).lstrip("/"), path.read_bytes()


def _first(files: Contents, size: int) -> Contents:
    yield "etc/random", os.urandom(64)  # a layer that there is nowhere else
    while size > 0 and (file := next(files, None)):
        yield file
        size -= len(file[1])


def _made_up(make: Callable[[int], bytes], size: int) -> Contents:
    for number, _ in enumerate(range(0, size, _PIECE)):
        yield f"data/{number}", make(_PIECE)


def _layer(archive: Archive, files: Iterable[tuple[str, bytes]], level: int) -> tuple[Descriptor, str]:
    """A layer of `files`, gzipped, and its diff id."""
    with archive.ingest() as writer, gzip.GzipFile("", "wb", level, cast(Any, writer), 0) as packed:
        plain = _Hashing(packed)
        with tarfile.open(fileobj=cast(Any, plain), mode="w|", format=tarfile.GNU_FORMAT) as tar:
            for name, data in files:
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755
                tar.addfile(info, io.BytesIO(data))
    return _described(OCI_LAYER_GZIP, writer), f"sha256:{plain.hash.hexdigest()}"


class _Hashing:
    """Passes on what is written, and hashes it."""

    def __init__(self, target: gzip.GzipFile) -> None:
        self._target = target
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self._target.write(data)


def _image(archive: Archive, platform: Platform, layers: list[tuple[Descriptor, str]]) -> Descriptor:
    document = {
        "os": platform.os,
        "architecture": platform.architecture,
        "config": {"Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
    }
    config = _add(archive, OCI_CONFIG, document)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer, _ in layers],
    }
    return _add(archive, OCI_MANIFEST, manifest)


def _add(archive: Archive, media_type: str, document: dict[str, Any]) -> Descriptor:
    data = canonical(document)
    return Descriptor(media_type, archive.add_bytes(data), len(data))


def _described(media_type: str, writer: BlobWriter) -> Descriptor:
    return Descriptor(media_type, Digest(writer.digest.hex), writer.size)
