"""A real image of 2 MB that needs no network: Debian's static busybox and a few files, in one layer.

It has sh, cat, id, sleep and all else that busybox has. Two calls with the same arguments give the same id.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from platform import machine
from typing import Any

from buildbox.digest import Digest
from buildbox.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Platform, canonical

BUSYBOX = Path("/bin/busybox")  # Debian: busybox-static
PLATFORM = Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}.get(machine(), machine()))
FILES: Mapping[str, str] = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
ENV = ("PATH=/usr/local/bin:/bin", "FROM_IMAGE=yes")


@dataclass(frozen=True)
class TinyImage:
    """The bytes of an image, and what points at them."""

    manifest: bytes
    config: bytes
    layer: bytes  # gzip

    @property
    def ids(self) -> tuple[str, str]:
        """What an engine may know it by: config digest (classic store), manifest digest (containerd)."""
        return str(Digest.of(self.config)), str(Digest.of(self.manifest))

    @property
    def blobs(self) -> dict[Digest, bytes]:
        """All of it, by digest."""
        return {Digest.of(data): data for data in (self.manifest, self.config, self.layer)}

    @property
    def descriptor(self) -> Descriptor:
        """What points at the manifest."""
        return Descriptor(OCI_MANIFEST, Digest.of(self.manifest), len(self.manifest), PLATFORM)

    def tar(self, tag: str = "buildbox.local/tests:tiny") -> bytes:
        """The image as a tar that is both an OCI layout and a docker archive."""
        entry = self.descriptor.to_json() | {"annotations": {"io.containerd.image.name": tag}}
        blob = "blobs/sha256/{}".format
        docker = [
            {
                "Config": blob(Digest.of(self.config).hex),
                "RepoTags": [tag],
                "Layers": [blob(Digest.of(self.layer).hex)],
            }
        ]
        files = {
            "oci-layout": canonical({"imageLayoutVersion": "1.0.0"}),
            "index.json": canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}),
            "manifest.json": canonical(docker),
        }
        return _tar({**files, **{blob(digest.hex): data for digest, data in self.blobs.items()}})


def tiny_image(
    *,
    config: Mapping[str, Any] | None = None,
    files: Mapping[str, str] = FILES,
    platform: Platform = PLATFORM,
    runnable: bool = True,
) -> TinyImage:
    """An image with `config` (config.md's `config` object: User, Entrypoint) and `files` beside busybox.

    One that isn't `runnable` has no busybox, and needs none on this machine.
    """
    plain = _layer(tuple(files.items())) if runnable else _tar({n: t.encode() for n, t in files.items()})
    layer = gzip.compress(plain, compresslevel=1, mtime=0)
    document = canonical(
        {
            "os": platform.os,
            "architecture": platform.architecture,
            "config": {"Env": list(ENV), **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(plain))]},
            "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "tests"}],
            "created": "1980-01-01T00:00:00Z",
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, Digest.of(document), len(document)).to_json(),
            "layers": [Descriptor(OCI_LAYER_GZIP, Digest.of(layer), len(layer)).to_json()],
        }
    )
    return TinyImage(manifest, document, layer)


@cache
def _layer(files: Iterable[tuple[str, str]]) -> bytes:
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    links = {f"bin/{name}": "busybox" for name in applets if name != "busybox"}
    contents = {"bin/busybox": BUSYBOX.read_bytes(), **{name: text.encode() for name, text in files}}
    return _tar(contents, links, ("bin", "etc", "home", "root", "src", "tmp", "usr", "usr/local"))


def _tar(
    files: Mapping[str, bytes], links: Mapping[str, str] | None = None, folders: Iterable[str] = ()
) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in folders:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        for name, content in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(file, io.BytesIO(content))
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(link)
    return data.getvalue()
