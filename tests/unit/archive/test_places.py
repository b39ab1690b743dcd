from __future__ import annotations

from buildbox.archive.places import Place, own_place, places_of
from buildbox.config.user import ArchiveSettings
from buildbox.digest import Digest
from buildbox.reference import ImageRef

DIGEST = Digest.of(b"image")
DEBIAN = ImageRef.parse(f"debian:12@{DIGEST}")
OTHER = ImageRef.parse(f"registry.example.com:5000/a/b@{DIGEST}")
HUB = Place("registry", "docker.io", "library/debian")


def test_without_settings_there_is_the_registry_that_the_pin_names() -> None:
    assert places_of(DEBIAN, ArchiveSettings()) == own_place(DEBIAN) == (HUB,)


def test_remote_then_mirrors_in_their_order_then_the_registry() -> None:
    mirrors = {"docker.io": ("mirror.example.com", "10.0.0.5:5000/proxied/hub"), "quay.io": ("q.example",)}
    settings = ArchiveSettings(remote="keep.example.com/team", mirrors=mirrors)
    assert places_of(DEBIAN, settings) == (
        Place("remote archive", "keep.example.com", "team/docker-io/library/debian"),
        Place("mirror", "mirror.example.com", "library/debian"),
        Place("mirror", "10.0.0.5:5000", "proxied/hub/library/debian"),
        HUB,
    )
    assert [str(place) for place in places_of(OTHER, settings)] == [
        "keep.example.com/team/registry-example-com-5000/a/b",
        "registry.example.com:5000/a/b",
    ]


def test_a_name_that_is_too_long_for_the_remote_is_not_looked_for_there() -> None:
    long = ImageRef.parse(f"registry.example.com/{'a' * 220}@{DIGEST}")
    places = places_of(long, ArchiveSettings(remote="keep.example.com/a-long-path/of-a-team"))
    assert [place.kind for place in places] == ["registry"]
