"""Tiny container images, made of values."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    canonical,
)

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64", "v8")


@dataclass(frozen=True)
class MadeImage:
    """An image (or an index of several): all of its bytes, and the descriptor at its top."""

    top: Descriptor
    manifests: Mapping[Digest, tuple[str, bytes]]  # media type and bytes; children first
    blobs: Mapping[Digest, bytes]  # configs and layers

    @property
    def digest(self) -> Digest:
        return self.top.digest

    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.manifests[self.digest][1])
        return found

    def layers(self) -> list[Digest]:
        """Of a single image."""
        entries: list[dict[str, str]] = self.document()["layers"]  # type: ignore[assignment]
        return [Digest.parse(entry["digest"]) for entry in entries]

    def put_into(self, archive: Archive, name: str = "") -> None:
        for data in (*self.blobs.values(), *(data for _, data in self.manifests.values())):
            archive.add_bytes(data)
        if name:
            archive.keep(self.top, name)


@dataclass(frozen=True)
class Settings:
    env: Sequence[str] = ("PATH=/bin",)
    user: str = ""
    workdir: str = ""
    entrypoint: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def make_layer(files: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """The layer's tar, plain and gzipped."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return plain.getvalue(), gzip.compress(plain.getvalue(), 1, mtime=0)


def make_image(
    *layers: Mapping[str, bytes],
    platform: Platform = AMD64,
    settings: Settings | None = None,
    layer_type: str = OCI_LAYER_GZIP,
    pack: Callable[[bytes], bytes] | None = None,
    config_type: str = OCI_CONFIG,
    created: str | None = None,
) -> MadeImage:
    """An image with one layer for each dict of path -> bytes, gzipped unless there is a `pack`."""
    settings = settings or Settings()
    made = [make_layer(files) for files in layers or ({"hello": b"world\n"},)]
    if pack:
        made = [(plain, pack(plain)) for plain, _ in made]
    config = canonical(
        {
            "os": platform.os,
            "architecture": platform.architecture,
            **({"variant": platform.variant} if platform.variant else {}),
            **({"created": created} if created else {}),
            "config": {
                "Env": list(settings.env),
                "User": settings.user,
                "WorkingDir": settings.workdir,
                "Entrypoint": list(settings.entrypoint),
                "Labels": dict(settings.labels),
            },
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(plain)) for plain, _ in made]},
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(config_type, Digest.of(config), len(config)).to_json(),
            "layers": [
                Descriptor(layer_type, Digest.of(packed), len(packed)).to_json() for _, packed in made
            ],
        }
    )
    top = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest), platform)
    blobs = {Digest.of(data): data for data in (config, *(packed for _, packed in made))}
    return MadeImage(top, {top.digest: (OCI_MANIFEST, manifest)}, blobs)


def packed_as(kind: str, *layers: Mapping[str, bytes], settings: Settings | None = None) -> MadeImage:
    """An image whose layers are "plain", "zstd", or "zstd said to be gzip"."""
    layer_type = {"plain": OCI_LAYER, "zstd": OCI_LAYER_ZSTD}.get(kind, OCI_LAYER_GZIP)
    pack = bytes if kind == "plain" else zstd_stored
    return make_image(*layers, settings=settings, layer_type=layer_type, pack=pack)


def zstd_stored(data: bytes) -> bytes:
    """`data` as a zstd frame of blocks that aren't compressed (RFC 8878, section 3.1.1)."""
    frame = bytearray(b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little"))  # one segment of that size
    size = 1 << 17  # bytes; a block's largest
    for at in range(0, max(len(data), 1), size):
        block = data[at : at + size]
        last = at + size >= len(data)
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return bytes(frame)


def make_index(*images: MadeImage, extra: Sequence[Descriptor] = ()) -> MadeImage:
    """A multi-platform index of `images`, with `extra` entries that nothing stands behind."""
    entries = [*(image.top for image in images), *extra]
    data = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [entry.to_json() for entry in entries],
        }
    )
    manifests: dict[Digest, tuple[str, bytes]] = {}
    blobs: dict[Digest, bytes] = {}
    for image in images:
        manifests |= image.manifests
        blobs |= image.blobs
    top = Descriptor(OCI_INDEX, Digest.of(data), len(data))
    return MadeImage(top, {**manifests, top.digest: (OCI_INDEX, data)}, blobs)
