"""Images in the archive: from a pin down to manifest, config and layers, by digest alone.

This is on the way of every run: three small blobs are read and hashed, layers aren't looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from buildbox.archive.layout import Archive, BlobMissing
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import (
    CONFIGS,
    DOCKER_LAYER_GZIP,
    MANIFESTS,
    MAX_MANIFEST,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
    Index,
    Manifest,
    Platform,
    parse_manifest,
)
from buildbox.reference import ImageRef

MAX_CONFIG = 8 << 20  # bytes; real ones have a few kilobytes
LAYERS = frozenset(
    {
        OCI_LAYER,
        OCI_LAYER_GZIP,
        OCI_LAYER_ZSTD,
        DOCKER_LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
)
_ATTESTATION = "vnd.docker.reference.type"  # buildkit's notes on an image, listed beside it as if images
_ATTESTED = "vnd.docker.reference.digest"  # that image


class Unfit(ImageError):
    """What a digest names is no image, or none that fits. No other place has other bytes for it."""


@dataclass(frozen=True)
class ImageConfig:
    """What counts of an image's own words (config.md, section "Properties"): the rest, tasks replace.

    Tasks take platform and env alone, services all of it. `shell` and `healthcheck` are Docker's additions.
    """

    platform: Platform
    env: tuple[str, ...]  # NAME=value
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""  # "" is root
    workdir: str = ""
    volumes: tuple[str, ...] = ()  # absolute paths
    shell: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()  # "CMD" and a command, "CMD-SHELL" and a script, or "NONE"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(pair.split("=", 1) for pair in self.env if "=" in pair)


@dataclass(frozen=True)
class ArchivedImage:
    """An image for one platform, known by its digests."""

    index: Digest | None  # of the multi-platform index, where the pin is one
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    document: ImageConfig

    @property
    def ids(self) -> tuple[str, ...]:
        """All that an engine may know it by: config (classic store), manifest or index (containerd)."""
        digests = (self.config.digest, self.manifest.digest, self.index)
        return tuple(str(digest) for digest in digests if digest)

    @property
    def platform(self) -> Platform:
        """The platform that the image was made for."""
        return self.document.platform


def find_image(archive: Archive, pin: Digest, platform: Platform) -> ArchivedImage | None:
    """The image of `pin` (an index or a manifest) for `platform`; None where one of its blobs is missing.

    Layers aren't looked at. Raises ImageError where it is for other platforms or isn't an image, BlobDamaged.
    """
    try:
        top = read_manifest(archive.read(pin, MAX_MANIFEST), pin)
        if isinstance(top, Manifest):
            return _whole(archive, None, pin, top, platform)
        chosen = choose(top, platform, pin)
        manifest = read_manifest(archive.read(chosen, MAX_MANIFEST), chosen.digest)
        if isinstance(manifest, Index):
            raise Unfit(f"{chosen.digest} in the index {pin} is an index again, which no engine can run")
        return _whole(archive, pin, chosen.digest, manifest, platform)
    except BlobMissing:
        return None


def full_name(ref: ImageRef, digest: Digest) -> str:
    """The name under which the archive keeps `ref`: registry/repository:tag@digest, nothing implied."""
    tag = f":{ref.tag}" if ref.tag else ""
    return f"{ref.registry}/{ref.repository}{tag}@{digest}"


def find_tagged(archive: Archive, ref: ImageRef) -> Iterator[Descriptor]:
    """All that the archive keeps under the name and tag of `ref`, newest first."""
    for name, descriptor in reversed(archive.refs()):
        try:
            kept = ImageRef.parse(name)
        except ValueError:
            continue  # another tool's entry
        if (kept.registry, kept.repository, kept.tag) == (ref.registry, ref.repository, ref.tag):
            yield descriptor


def find_tag(archive: Archive, ref: ImageRef) -> Digest | None:
    """The newest digest that the archive keeps under the name and tag of `ref`."""
    newest = next(find_tagged(archive, ref), None)
    return newest.digest if newest else None


def read_manifest(data: bytes, digest: Digest, media_type: str = "") -> Manifest | Index:
    """The manifest or index in `data`. Raises ImageError where it isn't one of a container image."""
    try:
        found = parse_manifest(data, media_type)
    except ValueError as error:
        raise Unfit(f"{digest} is not an image: {error}") from None
    if isinstance(found, Manifest):
        _check_kinds(found, digest)
    return found


def choose(index: Index, platform: Platform, digest: Digest) -> Descriptor:
    """The entry of `index` for `platform`: the same variant, else the closest older one.

    Raises ImageError naming the platforms that there are.
    """
    images = image_entries(index)
    ranked = [(_rank(entry.platform, platform), entry) for entry in images if entry.platform]
    best = max((rank for rank, _ in ranked if rank is not None), default=None)
    for rank, entry in ranked:
        if best is not None and rank == best:
            return entry
    if len(images) == 1 and images[0].platform is None:
        return images[0]  # its config will tell
    raise _not_for(platform, [str(entry.platform) for entry in images if entry.platform], digest)


def image_entries(index: Index) -> tuple[Descriptor, ...]:
    """The entries of `index` that are images, rather than notes on images or something else."""
    return tuple(
        entry
        for entry in index.manifests
        if entry.media_type in MANIFESTS
        and not is_attestation(entry)
        and (entry.platform is None or entry.platform.os != "unknown")
    )


def is_attestation(entry: Descriptor) -> bool:
    """Whether an entry of an index is buildkit's notes on another one."""
    return _ATTESTATION in entry.annotations


def attested(entry: Descriptor) -> str:
    """The digest of the image that an attestation is about, if it says so."""
    return entry.annotations.get(_ATTESTED, "")


def read_config(data: bytes, digest: Digest) -> ImageConfig:
    """The image configuration in `data` (config.md). Raises ImageError."""
    try:
        value = json.loads(data)
        settings: dict[str, Any] = value.get("config") or {}
        return ImageConfig(
            Platform(value.get("os") or "linux", value["architecture"], value.get("variant") or ""),
            tuple(str(item) for item in settings.get("Env") or ()),
            _words(settings.get("Entrypoint")),
            _words(settings.get("Cmd")),
            _text(settings.get("User")),
            _text(settings.get("WorkingDir")),
            tuple(sorted(path for path in _keys(settings.get("Volumes")) if path.startswith("/"))),
            _words(settings.get("Shell")),
            _words(_keys(settings.get("Healthcheck")).get("Test")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unfit(f"{digest} is not an image's configuration: {error!r}") from None


def _words(value: Any) -> tuple[str, ...]:
    """A list of strings; of anything else, which runs in a task nevertheless, nothing."""
    return tuple(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _keys(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def check_platform(found: Platform, wanted: Platform, digest: Digest) -> None:
    """Raises ImageError where an image for `found` doesn't run on `wanted`."""
    if _rank(found, wanted) is None:
        raise _not_for(wanted, [str(found)], digest)


def _whole(
    archive: Archive, index: Digest | None, digest: Digest, manifest: Manifest, platform: Platform
) -> ArchivedImage:
    document = read_config(archive.read(manifest.config, MAX_CONFIG), manifest.config.digest)
    check_platform(document.platform, platform, digest)
    return ArchivedImage(
        index,
        Descriptor(manifest.media_type, digest, archive.size(digest), document.platform),
        manifest.config,
        manifest.layers,
        document,
    )


def _check_kinds(manifest: Manifest, digest: Digest) -> None:
    if manifest.config.media_type not in CONFIGS:
        raise Unfit(
            f"{digest} is not a container image: its config is a {manifest.config.media_type}",
            "Pin the image of a toolchain; other artifacts that a registry may hold can't be run.",
        )
    for layer in manifest.layers:
        if layer.media_type in LAYERS:
            continue
        if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
            why = "is one that registries may not pass on (foreign layer), so it can't be archived"
        else:
            why = f"is of a kind that this buildbox doesn't know: {layer.media_type}"
        raise Unfit(f"image {digest}: layer {layer.digest} {why}")


def _not_for(platform: Platform, found: list[str], digest: Digest) -> Unfit:
    have = ", ".join(dict.fromkeys(found)) or "none"
    return Unfit(
        f"image {digest} is not for {platform}; it is for: {have}",
        "Set the toolchain's platform to one of these, or pin an image that has yours.",
    )


def _rank(found: Platform, wanted: Platform) -> int | None:
    """How well an image for `found` suits `wanted`, more is better; None where it doesn't run there.

    Variants as in containerd's platforms package: a machine runs its own variant and older ones,
    and a missing variant means arm/v7, arm64/v8, amd64/v1.
    """
    if (found.os, found.architecture) != (wanted.os, wanted.architecture):
        return None
    default = {"arm": "v7", "arm64": "v8", "amd64": "v1"}.get(wanted.architecture, "")
    have, want = found.variant or default, wanted.variant or default
    if have == want:
        return 1000
    if have[1:].isdigit() and want[1:].isdigit() and int(have[1:]) < int(want[1:]):
        return int(have[1:])
    return None
