"""Images that are in an archive, for an engine to get from there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.images import obtain
from buildbox.oci import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    canonical,
)
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from tests.support.engines import Subject
from tests.support.tiny_image import FILES, PLATFORM, TinyImage, tiny_image

LABEL = "buildbox.tests.restoring"
KINDS = {
    "oci": (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP),
    "docker": (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP),
}


@dataclass(frozen=True)
class Kept:
    """An image that is in an archive, and in no engine yet."""

    archive: Archive
    ref: ImageRef
    mark: str  # the contents of its /etc/mark, and the value of its label
    config: Digest
    manifest: Digest
    layer: Digest

    def restore(self, subject: Subject) -> tuple[ArchivedImage, str]:
        """The image and its id in the engine, without any registry."""
        return obtain(
            self.archive,
            subject.engine,
            self.ref,
            PLATFORM,
            offline=True,
            registry_for=no_registry,
            recipe_for=lambda ref: None,
            progress=Silent(),
        )

    def known(self, subject: Subject) -> bool:
        """Whether the engine has it by any id."""
        digests = (self.config, self.manifest, self.ref.digest)
        return any(subject.engine.has_image(str(digest)) for digest in digests)


def no_registry(host: str) -> Registry:
    raise AssertionError(f"{host} was asked")


def keep(folder: Path, kind: str, indexed: bool) -> Kept:
    """A new image in a new archive. Its index also has a platform that the archive lacks."""
    mark = secrets.token_hex(6)
    made = tiny_image(files={**FILES, "etc/mark": mark}, config={"Labels": {LABEL: mark}})
    archive = Archive.open(folder)
    manifest = manifest_of(made, kind)
    for data in (made.layer, made.config, manifest):
        archive.add_bytes(data)
    top = Descriptor(KINDS[kind][0], Digest.of(manifest), len(manifest), PLATFORM)
    if indexed:
        other = Descriptor(top.media_type, Digest.of(b"elsewhere"), 9, Platform("linux", "s390x"))
        index = canonical(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [other.to_json(), top.to_json()],
            }
        )
        top = Descriptor(OCI_INDEX, archive.add_bytes(index), len(index))
    ref = ImageRef.parse(f"registry.example.com/restored:1@{top.digest}")
    archive.keep(top, str(ref))
    return Kept(archive, ref, mark, Digest.of(made.config), Digest.of(manifest), Digest.of(made.layer))


def manifest_of(image: TinyImage, kind: str) -> bytes:
    manifest, config, layer = KINDS[kind]
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": manifest,
            "config": Descriptor(config, Digest.of(image.config), len(image.config)).to_json(),
            "layers": [Descriptor(layer, Digest.of(image.layer), len(image.layer)).to_json()],
        }
    )


def forget(subject: Subject, kept: Kept) -> None:
    """Has the engine lose the image, whatever points at it."""
    if not subject.real:
        subject.engine.drop_image(str(kept.config))
        return
    client = docker.DockerClient(base_url=subject.url)
    try:
        for image in client.images.list(all=True, filters={"label": f"{LABEL}={kept.mark}"}):
            client.images.remove(str(image.id), force=True)
    finally:
        client.close()


def tags(subject: Subject, kept: Kept) -> list[str]:
    """The tags of the image in a real engine."""
    client = docker.DockerClient(base_url=subject.url)
    try:
        found = client.images.list(filters={"label": f"{LABEL}={kept.mark}"})
        return [tag for image in found for tag in image.tags]
    finally:
        client.close()


Make = Callable[..., Kept]  # kind: one of KINDS; indexed: whether the pin is an index
