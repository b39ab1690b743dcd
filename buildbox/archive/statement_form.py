"""A statement as an OCI artifact (image-spec 1.1, manifest.md, "Guidelines for Artifact Usage"). Pure.

artifactType  application/vnd.buildbox.provenance.v1
config        the empty one
layers        application/vnd.in-toto+json: the statement (provenance/form.py)
              application/vnd.dsse.envelope.v1+json: the envelope that has it, where it is signed
annotations   buildbox.result.fingerprint, org.opencontainers.image.created, and
              buildbox.provenance.result, the manifest of what was built, where that was kept
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from buildbox.archive.result_form import CREATED, FINGERPRINT
from buildbox.digest import Digest
from buildbox.oci import OCI_MANIFEST, Descriptor, Manifest, canonical, parse_manifest
from buildbox.provenance.form import MAX_STATEMENT

PROVENANCE = "application/vnd.buildbox.provenance.v1"
EMPTY = b"{}"  # manifest.md, section "Guidance for an Empty Descriptor"
MAX_ENVELOPE = 2 * MAX_STATEMENT  # bytes; base64 makes four of three
_RESULT = "buildbox.provenance.result"
_STATEMENT = "application/vnd.in-toto+json"
_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True)
class StatementManifest:
    """What the manifest of a kept statement says."""

    fingerprint: Digest
    result: Digest | None
    created: float  # seconds since the epoch, to the millisecond
    statement: Descriptor
    envelope: Descriptor | None

    @property
    def parts(self) -> tuple[Descriptor, ...]:
        """All that it points at."""
        config = Descriptor(_EMPTY_TYPE, Digest.of(EMPTY), len(EMPTY))
        return (config, self.statement, *([self.envelope] if self.envelope else []))


def statement_layer(data: bytes) -> Descriptor:
    """What points at a statement."""
    return Descriptor(_STATEMENT, Digest.of(data), len(data))


def envelope_layer(data: bytes) -> Descriptor:
    """What points at an envelope."""
    return Descriptor(_ENVELOPE, Digest.of(data), len(data))


def statement_manifest_bytes(found: StatementManifest) -> bytes:
    """The manifest."""
    config, *layers = found.parts
    result = {_RESULT: str(found.result)} if found.result else {}
    time = datetime.fromtimestamp(round(found.created, 3), timezone.utc).isoformat(timespec="milliseconds")
    created = time.replace("+00:00", "Z")
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": PROVENANCE,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
            "annotations": {CREATED: created, FINGERPRINT: str(found.fingerprint), **result},
        }
    )


def parse_statement_manifest(data: bytes) -> StatementManifest:
    """What a manifest says. Raises ValueError where it isn't that of a statement."""
    document = parse_manifest(data, OCI_MANIFEST)
    value = json.loads(data)
    if not isinstance(document, Manifest) or value.get("artifactType") != PROVENANCE:
        raise ValueError("it isn't a statement's")
    told = value.get("annotations")
    if not isinstance(told, dict):
        raise ValueError("it doesn't say what it is the statement of")
    kinds = [layer.media_type for layer in document.layers]
    if kinds not in ([_STATEMENT], [_STATEMENT, _ENVELOPE]):
        raise ValueError("it isn't made of what a statement is made of")
    statement, *envelopes = document.layers
    if statement.size > MAX_STATEMENT or any(each.size > MAX_ENVELOPE for each in envelopes):
        raise ValueError("a part is larger than that of any real statement")
    result = told.get(_RESULT)
    created = datetime.fromisoformat(str(told.get(CREATED)).replace("Z", "+00:00"))
    if created.tzinfo is None:
        raise ValueError("its time has no zone")
    return StatementManifest(
        Digest.parse(str(told.get(FINGERPRINT))),
        Digest.parse(str(result)) if result is not None else None,
        created.timestamp(),
        statement,
        envelopes[0] if envelopes else None,
    )


def check_envelope(envelope: bytes, data: bytes) -> None:
    """Raises ValueError where the envelope (DSSE) holds anything but `data`. Signatures aren't verified."""
    from buildbox.signing.envelope import open_envelope  # most statements aren't signed

    try:
        payload = open_envelope(envelope).payload
    except ValueError as error:
        raise ValueError(f"its envelope can't be read: {error}") from None
    if payload != data:
        raise ValueError("its envelope holds another statement")


def step_of(data: bytes) -> str:
    """The step that a statement, of whatever version, is of; "" where that can't be told or shown."""
    try:
        step = json.loads(data)["predicate"]["buildDefinition"]["externalParameters"]["step"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return step if isinstance(step, str) and step.isprintable() else ""


def is_statement(data: bytes) -> bool:
    """Whether a manifest is that of a statement."""
    try:
        parse_statement_manifest(data)
    except ValueError:
        return False
    return True


def subjects(data: bytes) -> frozenset[str]:
    """The sha256 (hex) of each subject of a statement, of whatever version. Raises ValueError."""
    try:
        value: Mapping[str, Any] = json.loads(data)
        return frozenset(str(subject["digest"]["sha256"]) for subject in value["subject"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"its subjects can't be read: {error!r}") from None
