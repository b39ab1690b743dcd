"""Manifests and descriptors of the OCI image specification 1.1 and of Docker's image manifest v2,
schema 2, read from the bytes that a registry serves and never written back differently."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from buildbox.digest import Digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
_PLATFORM_PART = re.compile(r"[a-z0-9]+", re.ASCII)
MAX_MANIFEST = 4 << 20  # bytes; the limit that the distribution specification asks registries to keep


@dataclass(frozen=True)
class Platform:
    """`os/architecture[/variant]` (image-index.md, property `platform`)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """The platform that `text` (`linux/amd64`, `linux/arm/v7`) spells. Raises ValueError."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(map(_PLATFORM_PART.fullmatch, parts)):
            raise ValueError(f"{text!r} is not a platform; write os/architecture[/variant], e.g. linux/amd64")
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Descriptor:
    """What points at a blob (descriptor.md): media type, digest, size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Any) -> Descriptor:
        """The descriptor in a manifest's JSON. Raises ValueError where it isn't one."""
        try:
            size = int(value["size"])
            if size < 0:
                raise ValueError(f"not a descriptor: size {size}")
            platform = value.get("platform")
            return cls(
                str(value["mediaType"]),
                Digest.parse(str(value["digest"])),
                size,
                Platform(
                    str(platform["os"]), str(platform["architecture"]), str(platform.get("variant") or "")
                )
                if platform
                else None,
                {str(key): str(text) for key, text in (value.get("annotations") or {}).items()},
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a descriptor: {error!r}") from None

    def to_json(self) -> dict[str, Any]:
        """The descriptor as a manifest writes it; empty properties are left out."""
        value: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.platform:
            value["platform"] = {"os": self.platform.os, "architecture": self.platform.architecture}
            if self.platform.variant:
                value["platform"]["variant"] = self.platform.variant
        return value


@dataclass(frozen=True)
class Manifest:
    """An image manifest (manifest.md): the config and the layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Index:
    """An image index or manifest list (image-index.md)."""

    media_type: str
    manifests: tuple[Descriptor, ...]


def canonical(value: Any) -> bytes:
    """`value` as the one JSON text that buildbox writes for it: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse_manifest(data: bytes, media_type: str = "") -> Manifest | Index:
    """The manifest or index in `data`. Raises ValueError where it is neither.

    The document's own mediaType counts; `media_type` (the registry's Content-Type) only where it has none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    kind = str(value.get("mediaType") or media_type)
    if value.get("schemaVersion") != 2:
        raise ValueError("not a schema 2 manifest (schema 1 images must be pushed again by a newer client)")
    if "manifests" in value and "layers" in value:
        raise ValueError("both an index and a manifest")  # image-spec GHSA-77vh-xpmg-72qh
    if not isinstance(value.get("manifests", value.get("layers")), list):
        raise ValueError(f"neither an image nor an index of images (media type {kind or 'missing'})")
    if "manifests" in value and kind in INDEXES | {""}:
        return Index(kind or OCI_INDEX, tuple(Descriptor.from_json(item) for item in value["manifests"]))
    if "layers" in value and kind in MANIFESTS | {""}:
        return Manifest(
            kind or OCI_MANIFEST,
            Descriptor.from_json(value.get("config")),
            tuple(Descriptor.from_json(item) for item in value["layers"]),
        )
    raise ValueError(f"neither an image nor an index of images (media type {kind or 'missing'})")
