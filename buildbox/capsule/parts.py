"""The parts of a capsule: blobs of the user's archive as they are, and what is made for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from buildbox.archive.hints import result_name
from buildbox.archive.images import ArchivedImage, full_name
from buildbox.archive.layout import REF_NAME, Archive
from buildbox.archive.result_form import Result, parse_result_manifest
from buildbox.capsule.form import (
    CONFIG,
    NAME,
    TITLE,
    Capsule,
    config_bytes,
    index_bytes,
    manifest_bytes,
)
from buildbox.digest import Digest
from buildbox.oci import MAX_MANIFEST, OCI_MANIFEST, Descriptor, parse_manifest
from buildbox.reference import ImageRef

TEXT = "text/plain"


@dataclass(frozen=True)
class Blob:
    """A blob that goes into the capsule; its bytes are held against its name when they are read."""

    digest: Digest
    size: int  # bytes
    content: bytes | Path  # or the file that has it


@dataclass
class Parts:
    """What goes into one capsule, as it is put together. `scratch` is an empty folder."""

    archive: Archive
    scratch: Path
    blobs: dict[Digest, Blob] = field(default_factory=dict)
    entries: dict[str, Descriptor] = field(default_factory=dict)  # of index.json, by name
    layers: dict[str, Descriptor] = field(default_factory=dict)  # by title
    outputs: dict[Digest, Digest] = field(default_factory=dict)  # of results, as a tar, by fingerprint

    def add_image(self, ref: ImageRef, image: ArchivedImage) -> None:
        """The image for one platform, and the index that the pin names."""
        for part in (image.manifest, image.config, *image.layers):
            self._take(part.digest)
        top = image.manifest
        if image.index:
            size = self._take(image.index)
            kind = parse_manifest(self.archive.read(image.index, MAX_MANIFEST)).media_type
            top = Descriptor(kind, image.index, size)
        self._name(full_name(ref, top.digest), Descriptor(top.media_type, top.digest, top.size, top.platform))

    def add_result(self, result: Result) -> None:
        """A result, its log too: other tools take an artifact as a whole."""
        data = self.archive.read(result.manifest, MAX_MANIFEST)
        manifest = parse_result_manifest(data, result.fingerprint)
        for part in (manifest.config, *manifest.layers):
            self._take(part.digest)
        self._take(result.manifest)
        self.outputs[result.fingerprint] = result.outputs.digest
        self._name(result_name(result.fingerprint), Descriptor(OCI_MANIFEST, result.manifest, len(data)))

    def add_artifact(self, name: str, manifest: bytes, contents: Iterable[bytes]) -> None:
        """An artifact whose layers are in the archive; `contents` are what else it points at."""
        for data in contents:
            self._put(data)
        for layer in json.loads(manifest)["layers"]:
            self._take(Digest.parse(layer["digest"]))
        self._name(name, Descriptor(OCI_MANIFEST, self._put(manifest), len(manifest)))

    def add_file(self, title: str, media_type: str, data: bytes) -> Digest:
        """A small file of the capsule's own."""
        digest = self._put(data)
        self.layers[title] = Descriptor(media_type, digest, len(data), annotations={TITLE: title})
        return digest

    def add_made(self, title: str, media_type: str, chunks: Iterable[bytes]) -> Digest:
        """A file of the capsule's own, of any size."""
        if title in self.layers:
            return self.layers[title].digest
        path = self.scratch / f"made-{len(self.layers)}"
        hasher, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                file.write(chunk)
        digest = Digest(hasher.hexdigest())
        self.blobs[digest] = Blob(digest, size, path)
        self.layers[title] = Descriptor(media_type, digest, size, annotations={TITLE: title})
        return digest

    def finish(self, capsule: Capsule) -> bytes:
        """index.json, when all else is there."""
        config = config_bytes(capsule)
        part = Descriptor(CONFIG, self._put(config), len(config))
        manifest = manifest_bytes(part, [self.layers[title] for title in sorted(self.layers)])
        top = Descriptor(OCI_MANIFEST, self._put(manifest), len(manifest), annotations={REF_NAME: NAME})
        return index_bytes([top, *(self.entries[name] for name in sorted(self.entries))])

    def _name(self, name: str, top: Descriptor) -> None:
        self.entries[name] = Descriptor(top.media_type, top.digest, top.size, top.platform, {REF_NAME: name})

    def _take(self, digest: Digest) -> int:
        """A blob of the user's archive. Raises BlobMissing."""
        size = self.archive.size(digest)
        self.blobs.setdefault(digest, Blob(digest, size, self.archive.blob_path(digest)))
        return size

    def _put(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        self.blobs[digest] = Blob(digest, len(data), data)
        return digest
