"""From the tar of a root file system to an OCI image in the archive (image-spec 1.1), byte for byte the same.

The pin is an index with the one platform that was built, since a later publication for several platforms is
an index too, and the same for the same set of platforms.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from buildbox.archive.images import full_name
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
from buildbox.recipes.lock import Lock
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.record import Built
from buildbox.recipes.tools import Command
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop

_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# GNU gzip as a process: its bytes have not changed in decades, those of zlib's builds differ.
# Level 4 takes half the time of 6 for 3% more bytes.
_GZIP = ("gzip", "-n", "-4", "-k")
_PLATFORMS = {  # Debian's names, https://wiki.debian.org/SupportedArchitectures, to Go's
    "amd64": Platform("linux", "amd64"),
    "arm64": Platform("linux", "arm64"),
    "armhf": Platform("linux", "arm", "v7"),
    "armel": Platform("linux", "arm", "v5"),
    "i386": Platform("linux", "386"),
    "mips64el": Platform("linux", "mips64le"),
    "ppc64el": Platform("linux", "ppc64le"),
    "riscv64": Platform("linux", "riscv64"),
    "s390x": Platform("linux", "s390x"),
}


def add_image(recipe: Recipe, lock: Lock, tar: Path, place: Workplace, shop: Workshop) -> Built:
    """Makes the image whose only layer is `tar` and keeps it in the archive under its pin.

    Raises ArchiveError; ImageError where the layer can't be compressed.
    """
    platform = platform_of(lock.architecture)
    archive = shop.archive
    shop.progress.note("compressing the layer")
    layer, diff_id = _add_layer(tar, place, shop)
    config = canonical(image_config(recipe, lock, diff_id))
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, archive.add_bytes(config), len(config)).to_json(),
            "layers": [layer.to_json()],
            "annotations": labels(recipe, lock),
        }
    )
    entry = Descriptor(OCI_MANIFEST, archive.add_bytes(manifest), len(manifest), platform)
    index = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json()]})
    top = Descriptor(OCI_INDEX, archive.add_bytes(index), len(index))
    pin = recipe.image.pinned(top.digest)
    archive.keep(top, full_name(pin, top.digest))
    return Built(pin, str(platform), entry.digest, Digest.of(config), (diff_id,), layer.size)


def image_config(recipe: Recipe, lock: Lock, diff_id: Digest) -> dict[str, Any]:
    """The image's configuration (config.md)."""
    created = _date(lock.source_date_epoch)
    platform = platform_of(lock.architecture)
    env = {"PATH": _SEARCH, **dict(recipe.env)}
    value: dict[str, Any] = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": created,
        "config": {
            "Env": [f"{name}={env[name]}" for name in sorted(env)],
            "Cmd": ["bash"],
            "Labels": labels(recipe, lock),
            **({"User": recipe.user} if recipe.user else {}),
            **({"WorkingDir": recipe.workdir} if recipe.workdir else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id)]},
        "history": [{"created": created, "created_by": f"buildbox images build {recipe.text}"}],
    }
    if platform.variant:
        value["variant"] = platform.variant
    return value


def labels(recipe: Recipe, lock: Lock) -> dict[str, str]:
    """What image and manifest say of where they come from (annotations.md, and our own)."""
    own = {
        "org.opencontainers.image.title": recipe.title,
        "org.opencontainers.image.description": recipe.description,
        "org.opencontainers.image.version": recipe.version,
        "org.opencontainers.image.created": _date(lock.source_date_epoch),
        "buildbox.recipe": recipe.text,
        "buildbox.recipe.checksum": str(lock.recipe),
        "buildbox.lock.checksum": str(lock.checksum),
        "buildbox.source-date-epoch": str(lock.source_date_epoch),
    }
    return {**own, **dict(recipe.labels)}


def platform_of(architecture: str) -> Platform:
    """The platform that Debian calls `architecture`. Raises ImageError for one that has no name in OCI."""
    if architecture not in _PLATFORMS:
        raise ImageError(f"images for Debian's architecture {architecture!r} can't be built")
    return _PLATFORMS[architecture]


def _add_layer(tar: Path, place: Workplace, shop: Workshop) -> tuple[Descriptor, Digest]:
    with ThreadPoolExecutor(1) as pool:
        uncompressed = pool.submit(_digest_of, tar)  # meanwhile
        done = shop.tools.run(Command((*_GZIP, str(tar)), place))
        diff_id = uncompressed.result()
    if done.status:
        raise ImageError(f"the layer can't be compressed: {done.errors.strip() or done.status}")
    packed = tar.with_name(f"{tar.name}.gz")
    digest = _digest_of(packed)
    size = packed.stat().st_size
    with open(packed, "rb") as file, shop.archive.ingest(digest, size) as writer:
        while chunk := file.read(CHUNK):
            writer.write(chunk)
    return Descriptor(OCI_LAYER_GZIP, digest, size), diff_id


def _digest_of(path: Path) -> Digest:
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return Digest(hasher.hexdigest())


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
