from __future__ import annotations

import json
from typing import Any

import pytest

from buildbox.digest import Digest
from buildbox.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    canonical,
    parse_manifest,
)

BLOB = Descriptor(OCI_LAYER_GZIP, Digest.of(b"layer"), 5)
CONFIG = Descriptor(OCI_CONFIG, Digest.of(b"config"), 6)
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG.to_json(), "layers": [BLOB.to_json()]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [BLOB.to_json()]}


def test_platforms() -> None:
    assert Platform.parse("linux/amd64") == Platform("linux", "amd64")
    assert str(Platform.parse("linux/arm/v7")) == "linux/arm/v7"
    assert Platform.parse("linux/386") == Platform("linux", "386")
    for text in ("", "linux", "linux/", "linux/AMD64", "a/b/c/d", "linux/amd 64"):
        with pytest.raises(ValueError, match="not a platform"):
            Platform.parse(text)


@pytest.mark.parametrize(
    "descriptor",
    [BLOB, Descriptor("a/b", Digest.of(b""), 0, Platform("linux", "arm", "v7"), {"k": "v"})],
)
def test_a_descriptor_and_its_json(descriptor: Descriptor) -> None:
    assert Descriptor.from_json(json.loads(canonical(descriptor.to_json()))) == descriptor


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:00"},
        {"digest": None},
        {"size": -1},
        {"size": "many"},
        {"size": None},
        {"platform": {"os": "linux"}},
        {"platform": "linux"},
        {"annotations": ["a"]},
    ],
)
def test_what_is_no_descriptor(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"digest|descriptor|literal"):
        Descriptor.from_json({**BLOB.to_json(), **change})


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_no_descriptor_at_all(value: object) -> None:
    with pytest.raises(ValueError, match="descriptor"):
        Descriptor.from_json(value)


@pytest.mark.parametrize(
    ("inside", "outside", "kind"),
    [
        ({"mediaType": OCI_MANIFEST}, "", OCI_MANIFEST),
        ({"mediaType": DOCKER_MANIFEST}, OCI_MANIFEST, DOCKER_MANIFEST),
        ({}, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({}, "", OCI_MANIFEST),
    ],
)
def test_manifests(inside: dict[str, str], outside: str, kind: str) -> None:
    assert parse_manifest(canonical(MANIFEST | inside), outside) == Manifest(kind, CONFIG, (BLOB,))


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
def test_indexes(kind: str) -> None:
    assert parse_manifest(canonical(INDEX | {"mediaType": kind})) == Index(kind, (BLOB,))
    assert parse_manifest(canonical(INDEX), kind) == Index(kind, (BLOB,))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (canonical({"schemaVersion": 1, "fsLayers": []}), "schema 1"),
        (canonical(MANIFEST | INDEX), "both an index and a manifest"),
        (canonical(MANIFEST | {"mediaType": OCI_INDEX}), "neither"),
        (canonical(INDEX | {"mediaType": OCI_MANIFEST}), "neither"),
        (canonical(INDEX | {"mediaType": ["x"]}), "neither"),
        (canonical({"schemaVersion": 2}), "neither"),
        (canonical({"schemaVersion": 2, "manifests": 5}), "neither"),
        (canonical({"schemaVersion": 2, "layers": None, "config": CONFIG.to_json()}), "neither"),
        (canonical({"schemaVersion": 2, "layers": []}), "not a descriptor"),
    ],
)
def test_what_is_no_manifest(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_manifest(data)


def test_one_text_for_one_value() -> None:
    assert canonical({"b": 1, "a": ["ä"]}) == '{"a":["ä"],"b":1}'.encode()
