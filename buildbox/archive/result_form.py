"""A result as an OCI artifact (image-spec 1.1, manifest.md, section "Guidelines for Artifact Usage"). Pure.

    artifactType  application/vnd.buildbox.result.v1
    config        application/vnd.buildbox.result.config.v1+json, see below
    layers        outputs.tar: all outputs (trees/packing.py), not compressed: gzip packs 65-105 MB/s where
                  the disk takes 500, and most of what is worth keeping is packed already
                  log: the output, as frames of the engine's raw stream (frames.py); left out where empty
    annotations   buildbox.result.fingerprint, buildbox.result.step, org.opencontainers.image.created

The config's JSON: {"version": 1, "fingerprint", "step", "created", "seconds", "tree", "entries": [[path,
mode, digest, size], ...], "document"}. The fingerprint is the digest of `document` in its canonical form, so
that a result says itself what it is the result of. `tree` is the digest of the entries (trees/entry.py),
`created` is seconds since the epoch, `seconds` how long it took.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildbox.digest import Digest
from buildbox.oci import OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest, canonical, parse_manifest
from buildbox.trees.entry import Entry, tree_digest

RESULT = "application/vnd.buildbox.result.v1"
CONFIG = "application/vnd.buildbox.result.config.v1+json"
LOG = "application/vnd.buildbox.log.v1"
FINGERPRINT = "buildbox.result.fingerprint"  # annotations
STEP = "buildbox.result.step"
CREATED = "org.opencontainers.image.created"
MAX_CONFIG = 64 << 20  # bytes; 500,000 outputs
MAX_LOG = 80 << 20  # bytes; logs are cut at 64 MiB, frames' headers come to that
_TITLE = "org.opencontainers.image.title"
_VERSION = 1
_FOREVER = 1e11  # seconds


@dataclass(frozen=True)
class Result:
    """What a step that passed has left: its outputs and its log."""

    fingerprint: Digest
    manifest: Digest
    step: str
    entries: tuple[Entry, ...]  # the outputs, sorted by path
    tree: Digest  # of the entries
    seconds: float  # that the step took
    created: float  # seconds since the epoch
    document: Mapping[str, Any]  # what the fingerprint is the digest of
    outputs: Descriptor
    log: Descriptor | None  # None: nothing was written


def config_bytes(
    fingerprint: Digest,
    document: Mapping[str, Any],
    step: str,
    entries: Sequence[Entry],
    seconds: float,
    created: float,
) -> bytes:
    """The config of a result."""
    value = {
        "version": _VERSION,
        "fingerprint": str(fingerprint),
        "step": step,
        "created": created,
        "seconds": seconds,
        "tree": str(tree_digest(entries)),
        "entries": [[entry.path, f"{entry.mode:06o}", entry.digest, entry.size] for entry in entries],
        "document": document,
    }
    return canonical(value)


def manifest_bytes(
    fingerprint: Digest,
    step: str,
    created: float,
    config: Descriptor,
    outputs: Descriptor,
    log: Descriptor | None,
) -> bytes:
    """The manifest of a result."""
    from datetime import datetime, timezone

    layers = [outputs, log] if log else [outputs]
    time = datetime.fromtimestamp(created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": RESULT,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
            "annotations": {CREATED: time, FINGERPRINT: str(fingerprint), STEP: step},
        }
    )


def outputs_layer(digest: Digest, size: int) -> Descriptor:
    """What points at the outputs."""
    return Descriptor(OCI_LAYER, digest, size, annotations={_TITLE: "outputs.tar"})


def log_layer(digest: Digest, size: int) -> Descriptor:
    """What points at the log."""
    return Descriptor(LOG, digest, size, annotations={_TITLE: "log"})


def result_tag(fingerprint: Digest) -> str:
    """The tag of a fingerprint's result in a registry."""
    return f"result-sha256-{fingerprint.hex}"


def is_result(data: bytes) -> bool:
    """Whether a manifest is that of a result."""
    try:
        value = json.loads(data)
        return isinstance(value, dict) and value.get("artifactType") == RESULT
    except (ValueError, RecursionError):
        return False


def parse_result_manifest(data: bytes, fingerprint: Digest) -> Manifest:
    """The manifest of the result of `fingerprint`. Raises ValueError where `data` is anything else."""
    found = parse_manifest(data, OCI_MANIFEST)
    value = json.loads(data)
    if not isinstance(found, Manifest) or value.get("artifactType") != RESULT:
        raise ValueError("it isn't a result")
    annotations = value.get("annotations")
    if not isinstance(annotations, dict) or annotations.get(FINGERPRINT) != str(fingerprint):
        raise ValueError("it is the result of another fingerprint")
    if not str(annotations.get(STEP, "")).isprintable():
        raise ValueError("its name is none")
    kinds = [layer.media_type for layer in found.layers]
    if found.config.media_type != CONFIG or kinds not in ([OCI_LAYER], [OCI_LAYER, LOG]):
        raise ValueError("it isn't made of what a result is made of")
    if found.config.size > MAX_CONFIG or (len(kinds) > 1 and found.layers[1].size > MAX_LOG):
        raise ValueError("a part is larger than that of any real result")
    return found


def parse_result(manifest: Digest, found: Manifest, config: bytes, fingerprint: Digest) -> Result:
    """The result, of its manifest and the bytes of its config. Raises ValueError.

    Whether the entries make sense isn't looked at: see `check_entries`.
    """
    try:
        value = json.loads(config)
        if value["version"] != _VERSION:
            raise ValueError(f"it is of version {value['version']!r}")
        document = value["document"]
        if value["fingerprint"] != str(fingerprint) or Digest.of(canonical(document)) != fingerprint:
            raise ValueError("it is the result of another fingerprint")
        step, seconds, created = str(value["step"]), float(value["seconds"]), float(value["created"])
        if not (step.isprintable() and 0 <= seconds < _FOREVER and 0 <= created < _FOREVER):
            raise ValueError("its name or its times are none")  # people are shown them
        return Result(
            fingerprint,
            manifest,
            step,
            tuple(Entry(path, int(mode, 8), digest, size) for path, mode, digest, size in value["entries"]),
            Digest.parse(value["tree"]),
            seconds,
            created,
            document,
            found.layers[0],
            found.layers[1] if len(found.layers) > 1 else None,
        )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"its config can't be read: {error!r}") from None


def check_entries(result: Result) -> None:
    """Raises ValueError where the outputs can't be those of a tree, or aren't those of their digest.

    No path leads out of the tree, none through another entry: no link is ever followed.
    """
    from buildbox.trees.listed import check_outputs

    check_outputs(result.entries)
    if tree_digest(result.entries) != result.tree:
        raise ValueError("the outputs aren't those of their digest")
    if result.outputs.size > most_bytes(result.entries):
        raise ValueError("the outputs are larger than their sizes allow")


def most_bytes(entries: Sequence[Entry]) -> int:
    """What a tar of `entries` has at most: headers, also of folders, with long names (pax), and contents."""
    return 20480 + sum(
        entry.size + (1 + entry.path.count("/")) * (4096 + 4 * len(entry.path)) for entry in entries
    )
