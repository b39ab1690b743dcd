from __future__ import annotations

import pytest

from buildbox.archive.remote import index_tag, kept_index, remote_ref, retention_tag
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Manifest, parse_manifest
from buildbox.reference import ImageRef

PIN = Digest.of(b"x")
REMOTE = "registry.example.com:5000/team/archive"


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("debian:12", "docker-io/library/debian"),
        ("buildbox/python:3.11", "docker-io/buildbox/python"),
        ("ghcr.io/a/b/c", "ghcr-io/a/b/c"),
        ("10.0.0.5:5000/x:1", "10-0-0-5-5000/x"),
        ("localhost/x", "localhost/x"),
        ("[::1]:5000/x", "1-5000/x"),
        ("Registry.Example.com/x__y", "registry-example-com/x__y"),
    ],
)
def test_where_an_image_is_in_the_remote_archive(name: str, repository: str) -> None:
    place = remote_ref(REMOTE, ImageRef.parse(f"{name}@{PIN}"))
    assert (place.registry, place.repository) == ("registry.example.com:5000", f"team/archive/{repository}")
    assert (place.tag, place.digest) == (None, PIN)


def test_a_name_that_would_be_too_long() -> None:
    ref = ImageRef.parse("registry.example.com/" + "a" * 220 + f"@{PIN}")
    with pytest.raises(ImageError, match=f"the remote archive {REMOTE} can have no image .* than 255"):
        remote_ref(REMOTE, ref)


def test_the_tags_are_tags() -> None:
    for tag in (retention_tag(PIN), index_tag(PIN)):
        assert ImageRef.parse(f"x/y:{tag}").tag == tag


def test_the_artifact_points_at_the_index() -> None:
    manifest = parse_manifest(kept_index(PIN, 1))
    assert isinstance(manifest, Manifest)
    (layer,) = manifest.layers
    assert (layer.digest, layer.size) == (PIN, 1)
