"""Services of tiny images on a real engine."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from typing import Any

import docker

from buildbox.archive.images import ArchivedImage, read_config
from buildbox.config.model import Service
from buildbox.digest import Digest
from buildbox.oci import OCI_CONFIG, Descriptor
from buildbox.reference import ImageRef
from tests.support.engines import Subject
from tests.support.tiny_image import tiny_image

LABEL = "buildbox.tests.service"
_MINE = secrets.token_hex(6)  # of this process


class Heard:
    """An Output that keeps what it gets, by stream."""

    def __init__(self) -> None:
        self.streams = {1: b"", 2: b""}
        self._lock = threading.Lock()

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        with self._lock:
            self.streams[stream] += b"".join(views)


def service(name: str = "db", **changes: Any) -> Service:
    """A service of the image that `loaded` makes."""
    ref = ImageRef.parse(f"registry.example.com/{name}:1@sha256:{'0' * 64}")
    return Service(**{"name": name, "image": ref, **changes})


def loaded(subject: Subject, config: dict[str, Any]) -> tuple[ArchivedImage, str]:
    """A tiny image with this configuration in the engine, as an archive would know it; and its id.

    `forget` has the engine lose all of them.
    """
    made = tiny_image(config={"Labels": {LABEL: _MINE}, **config})
    subject.engine.load([made.tar(f"buildbox.local/services:{Digest.of(made.config).hex[:12]}")])
    image_id = next(name for name in made.ids if subject.engine.has_image(name))
    digest = Digest.of(made.config)
    image = ArchivedImage(
        None,
        made.descriptor,
        Descriptor(OCI_CONFIG, digest, len(made.config)),
        (),
        read_config(made.config, digest),
    )
    return image, image_id


def forget(subject: Subject) -> None:
    """Has the engine lose the images that this process loaded."""
    client = docker.DockerClient(base_url=subject.url)
    try:
        for image in client.images.list(filters={"label": f"{LABEL}={_MINE}"}):
            client.images.remove(str(image.id), force=True)
    finally:
        client.close()
