"""From the tar of a root file system to an OCI image in the archive (image-spec 1.1), each time the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Platform, canonical
from buildbox.recipes.layers import add_layer, add_manifest
from buildbox.recipes.lock import Lock
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.record import Built
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop

_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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
    shop.progress.note("compressing the layer")
    layer = add_layer(tar, place, shop.tools, shop.archive)
    config = canonical(image_config(recipe, lock, layer.diff_id))
    built = add_manifest(recipe.image, platform, config, [layer], labels(recipe, lock), shop.archive)
    return replace(built, lock=lock.checksum)


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


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
