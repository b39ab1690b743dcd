"""Images made of tars and checked without an engine's containers or a machine's tools."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from buildbox.archive.images import ArchivedImage, find_image, full_name
from buildbox.archive.layout import Archive
from buildbox.config.user import Allowance
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import (
    MAX_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    canonical,
)
from buildbox.progress import Silent
from buildbox.recipes.record import Built
from buildbox.recipes.tools import Command, Finished
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.session import Session
from buildbox.tasks.plan import Step
from buildbox.trust import Bounds
from tests.support.connected import connected_to
from tests.support.fake_engine import FakeEngine
from tests.support.images import AMD64
from tests.support.values import host


def packed(tar: bytes, level: int = 1) -> bytes:
    """The tar as a layer with gzip has it."""
    return gzip.compress(tar, level, mtime=0)


def put_image(
    archive: Archive,
    *tars: bytes,
    pack: Callable[[bytes], bytes] = packed,
    layer_type: str = OCI_LAYER_GZIP,
    settings: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    index: Mapping[str, Any] | None = None,
) -> ArchivedImage:
    """An image with these layers, in an index with `index` beside its entry."""
    layers = [pack(tar) for tar in tars]
    config = canonical(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Env": ["PATH=/bin"], **(settings or {})},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(tar)) for tar in tars]},
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, archive.add_bytes(config), len(config)).to_json(),
            "layers": [
                Descriptor(layer_type, archive.add_bytes(each), len(each)).to_json() for each in layers
            ],
            "annotations": dict(annotations or {}),
        }
    )
    entry = Descriptor(OCI_MANIFEST, archive.add_bytes(manifest), len(manifest), AMD64)
    top = canonical(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json()], **(index or {})}
    )
    image = find_image(archive, archive.add_bytes(top), AMD64)
    assert image
    return image


def put_built(archive: Archive, name: str, *tars: bytes, **how: Any) -> Built:
    """Such an image, kept under `name` ("buildbox/tool:1") as a build does it."""
    image = put_image(archive, *tars, **how)
    assert image.index
    pin = ImageRef.parse(name).pinned(image.index)
    archive.keep(Descriptor(OCI_INDEX, image.index, archive.size(image.index)), full_name(pin, image.index))
    size = sum(layer.size for layer in image.layers)
    diff_ids = tuple(map(Digest.of, tars))
    return Built(pin, str(AMD64), image.manifest.digest, image.config.digest, diff_ids, size)


@dataclass(frozen=True)
class ToldTools:
    """Tools that only have versions."""

    versions: Mapping[str, str]
    as_root: bool = True

    def run(
        self,
        command: Command,
        on_line: Callable[[str], None] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Finished:
        assert command.argv[0] == "dpkg-query"
        return Finished(0, "".join(f"{name} {version}\n" for name, version in self.versions.items()), "")


@dataclass
class FakeRegistry:
    """A registry that gives what an archive has; `asked` are its hosts that were asked for."""

    archive: Archive | None = None
    asked: list[str] = field(default_factory=list)
    pause: float = 0.0
    host: str = "docker.io"

    def of(self, name: str) -> Registry:
        """As a RegistryFor."""
        self.asked.append(name)
        return self  # type: ignore[return-value]

    def manifest(self, repository: str, digest: Digest) -> Any:
        if self.archive is None or not self.archive.has(digest):
            raise ImageError(f"{self.host} has no {repository}@{digest}")
        return SimpleNamespace(data=self.archive.read(digest, MAX_MANIFEST))

    def blob(self, repository: str, blob: Descriptor, begin: int = 0) -> Iterator[bytes]:
        assert self.archive
        yield self.archive.read(blob, 1 << 20)[begin:]

    def close(self) -> None:
        pass


class Bench:
    """Where recipes are checked: an engine whose containers are processes, an archive, a folder."""

    def __init__(self, folder: Path) -> None:
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.host = host(folder, uid=os.getuid(), gid=os.getgid())
        self.engine = FakeEngine()
        self.archive = Archive.open(folder / "data/archive")
        self.sessions = 0

    def shop(self, tools: Mapping[str, str] | None = None, offline: bool = False) -> Workshop:
        """A workshop with tools that have these versions, and do nothing."""
        return Workshop(self.host, self.temp, self.archive, ToldTools(tools or {}), Silent(), offline)

    @contextmanager
    def session(self, root: Path, steps: Sequence[Step]) -> Iterator[Session]:
        """As an OpenSession."""
        self.sessions += 1
        yield Session(
            host=self.host,
            bounds=Bounds(root, Allowance(), (), self.host.user_config),
            connection=connected_to(self.engine, "0123456789ab"),
            platform=lambda: Platform("linux", "amd64"),
            archive=self.archive,
            offline=True,
            registry_for=_nobody,
            recipe_for=lambda ref: None,
            progress=Silent(),
        )


def _nobody(name: str) -> Registry:
    raise AssertionError(f"{name} was asked")
