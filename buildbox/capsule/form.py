"""A capsule: one tar, an OCI image layout (image-spec 1.1, image-layout.md) with a README before it. Pure.

    README.md           for whoever finds it; its first line is MAGIC
    oci-layout, index.json
    blobs/sha256/*      sorted by name; all that index.json leads to, and nothing else

Only plain files, whose headers say nothing but name and size; no compression, no links. index.json names

    capsule             an OCI artifact, see below
    image names         the images that the builds ran in, in their registries' own bytes
    result@sha256:HEX   what was needed, and what was built (archive/result_form.py)
    *-packages@...      packages of catalogue images, as the archive lists them (recipes/kept.py)

The artifact "capsule" (manifest.md, section "Guidelines for Artifact Usage"):

    artifactType  application/vnd.buildbox.capsule.v1
    config        application/vnd.buildbox.capsule.config.v1+json: {"version", "builds": [{"statement",
                  "envelope", "inputs", "result"}], "left-out": [...]}, digests of what is in it
    layers        README.md; statements/*.json, and *.intoto.jsonl of signed ones; inputs/HEX.tar, trees
                  of inputs (trees/packing.py); source/*.bundle, git bundles; recipes/NAME/VERSION/*. Their
                  titles are these names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildbox.digest import Digest
from buildbox.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, canonical

CAPSULE = "application/vnd.buildbox.capsule.v1"
CONFIG = "application/vnd.buildbox.capsule.config.v1+json"
NAME = "capsule"  # of the artifact in index.json
README, LAYOUT_FILE, INDEX_FILE = "README.md", "oci-layout", "index.json"
BLOBS = "blobs/sha256/"
MAGIC = b"# A capsule of buildbox\n"
TITLE = "org.opencontainers.image.title"  # annotations.md
MAX_INDEX = 4 << 20  # bytes
MAX_CONFIG = 4 << 20  # bytes
MAX_FILES = 100_000
_VERSION = 1
_MOST_TEXT = 10_000  # characters of a line of what is left out


class Newer(ValueError):
    """It is of a version that this one doesn't know."""


@dataclass(frozen=True)
class Build:
    """A build that can be made again from a capsule, by the digests of its parts."""

    statement: Digest
    envelope: Digest | None  # that has the statement, where it is signed
    inputs: Digest  # the tar of its inputs
    result: Digest | None  # the manifest of what it made; None: the capsule doesn't have that


@dataclass(frozen=True)
class Capsule:
    """What a capsule says of itself."""

    builds: tuple[Build, ...]
    left_out: tuple[str, ...] = ()  # what would be of use and wasn't to be had, for people


def config_bytes(capsule: Capsule) -> bytes:
    """The config of the artifact."""
    builds = [
        {
            "statement": str(build.statement),
            "envelope": str(build.envelope) if build.envelope else None,
            "inputs": str(build.inputs),
            "result": str(build.result) if build.result else None,
        }
        for build in capsule.builds
    ]
    return canonical({"version": _VERSION, "builds": builds, "left-out": list(capsule.left_out)})


def manifest_bytes(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """The manifest of the artifact."""
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": CAPSULE,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
    )


def index_bytes(entries: Sequence[Descriptor]) -> bytes:
    """index.json; the entries' names are among their annotations."""
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry.to_json() for entry in entries],
    }
    return canonical(value)


def is_capsule_manifest(data: bytes) -> bool:
    """Whether a manifest is that of the artifact."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("artifactType") == CAPSULE


def parse_config(data: bytes) -> Capsule:
    """What a capsule says of itself. Raises Newer; ValueError where it can't be read."""
    try:
        value: Mapping[str, Any] = json.loads(data)
        if value["version"] != _VERSION:
            raise Newer(f"it is of version {value['version']!r}, and this buildbox knows {_VERSION}")
        builds = tuple(_build(each) for each in value["builds"])
        left_out = tuple(str(line)[:_MOST_TEXT] for line in value["left-out"])
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"what it has can't be read: {error!r}") from None
    if not builds:
        raise ValueError("it has no build")
    return Capsule(builds, left_out)


def _build(value: Mapping[str, Any]) -> Build:
    envelope, result = value["envelope"], value["result"]
    return Build(
        Digest.parse(value["statement"]),
        Digest.parse(envelope) if envelope is not None else None,
        Digest.parse(value["inputs"]),
        Digest.parse(result) if result is not None else None,
    )
