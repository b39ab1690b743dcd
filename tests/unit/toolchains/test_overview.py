from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, canonical
from buildbox.recipes.catalogue import DEBIAN
from buildbox.recipes.dockerfile import DOCKERFILE
from buildbox.recipes.lock import Lock, write_lock
from buildbox.recipes.packages import keep as keep_packages
from buildbox.recipes.record import Built, record
from buildbox.reference import ImageRef
from buildbox.toolchains.overview import NO, OLDER, YES, Entry, overview
from tests.support.recipes import lock, package, recipe, write_recipe

LOCK = lock(package("make", data=b"make's"), package("tzdata", architecture="all", data=b"tzdata's"))
OTHER = lock(package("make", data=b"make's"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


def locked(catalogue: Path, name: str = "tool/1", of: Lock = LOCK) -> Path:
    folder = write_recipe(catalogue, name)
    write_lock(folder, of, name)
    return folder


def only(catalogue: Path, archive: Archive | None = None) -> Entry:
    (entry,) = overview([catalogue], archive)
    return entry


def keep(archive: Archive, of: Lock | None = LOCK, layer: bytes = b"layer", name: str = "tool:1") -> ImageRef:
    """An image in the archive, as it is built from a lock, or by an engine; gives its pin."""
    labels = {"buildbox.lock.checksum": str(of.checksum)} if of else None
    config = canonical({"created": "2026-07-11T10:16:37.5Z", "config": {"Labels": labels}})
    layers = [Descriptor(OCI_LAYER_GZIP, archive.add_bytes(layer), len(layer)).to_json()]
    top = Descriptor(OCI_CONFIG, archive.add_bytes(config), len(config)).to_json()
    value = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": top, "layers": layers}
    manifest = canonical(value)
    entry = Descriptor(OCI_MANIFEST, archive.add_bytes(manifest), len(manifest))
    index = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json()]})
    digest = archive.add_bytes(index)
    pin = ImageRef.parse(f"buildbox/{name}").pinned(digest)
    archive.keep(Descriptor(OCI_INDEX, digest, len(index)), full_name(pin, digest))
    return pin


def built(pin: ImageRef, of: Lock | None = LOCK) -> Built:
    assert pin.digest
    made_from = of.checksum if of else None
    return Built(pin, "linux/amd64", pin.digest, pin.digest, (pin.digest,), 75_000_000, made_from)


def remove(archive: Archive, data: bytes) -> None:
    archive.blob_path(Digest.of(data)).unlink()


# what the folder says


def test_a_recipe_that_was_never_built(catalogue: Path, archive: Archive) -> None:
    locked(catalogue)
    for place in (None, archive):
        entry = only(catalogue, place)
        assert (entry.recipe, entry.kind, entry.state) == ("tool/1", DEBIAN, "ok")
        assert (entry.suite, entry.release, entry.dated) == ("bookworm", "12.15", 1_783_764_997)
        assert (entry.size, entry.of_packages, entry.pin) == (len("make'stzdata's"), True, None)
        assert (entry.image, entry.packages) == (NO, False)


def test_the_recorded_size_counts(catalogue: Path) -> None:
    pin = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'tool')}")
    record(locked(catalogue), built(pin))
    entry = only(catalogue)
    assert (entry.pin, entry.size, entry.of_packages) == (pin, 75_000_000, False)


def test_versions_are_in_the_order_that_people_count_in(catalogue: Path) -> None:
    for name in ("go/1.19", "go/1.9", "base/12", "go/tip"):
        locked(catalogue, name)
    assert [entry.recipe for entry in overview([catalogue], None)] == [
        "base/12",
        "go/tip",
        "go/1.9",
        "go/1.19",
    ]


def test_the_first_catalogue_counts(catalogue: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    locked(mine)
    locked(catalogue)
    locked(catalogue, "tool/2")
    found = overview([mine, catalogue], None)
    assert [(entry.recipe, entry.catalogue) for entry in found] == [("tool/1", mine), ("tool/2", catalogue)]


# what can't be used


def test_without_a_lock(catalogue: Path) -> None:
    write_recipe(catalogue)
    entry = only(catalogue)
    assert (entry.state, entry.suite, entry.size) == ("no lock", "bookworm", None)
    assert "buildbox images lock tool/1" in entry.problem


def test_a_stale_lock_has_an_older_image_at_most(catalogue: Path, archive: Archive) -> None:
    folder = locked(catalogue)
    record(folder, built(keep(archive)))
    assert only(catalogue, archive).image == YES
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace('"make", ', ""))
    entry = only(catalogue, archive)
    assert (entry.state, entry.image, entry.packages) == ("stale lock", OLDER, False)
    assert "stale" in entry.problem


def test_a_broken_recipe_says_why_and_hides_no_other(catalogue: Path) -> None:
    broken = write_recipe(catalogue, "broken/1", "format = 1\ntitel = 'x'\n")
    locked(catalogue)
    entries = overview([catalogue], None)
    assert [(entry.recipe, entry.state) for entry in entries] == [("broken/1", "broken"), ("tool/1", "ok")]
    assert str(broken) in entries[0].problem
    assert "titel" in entries[0].problem


# what is in the archive


def test_packages_are_archived_when_all_of_them_are(catalogue: Path, archive: Archive) -> None:
    locked(catalogue)
    archive.add_bytes(b"make's")
    assert not only(catalogue, archive).packages
    archive.add_bytes(b"tzdata's")
    assert not only(catalogue, archive).packages  # they may be anything
    keep_packages(LOCK, recipe().image, archive)
    assert only(catalogue, archive).packages


@pytest.mark.parametrize("recorded", [True, False])
def test_the_image_of_the_lock(catalogue: Path, archive: Archive, recorded: bool) -> None:
    folder = locked(catalogue)
    pin = keep(archive)
    if recorded:
        record(folder, built(pin))
    entry = only(catalogue, archive)
    assert (entry.image, entry.pin) == (YES, pin)
    assert (entry.size, entry.of_packages) == (75_000_000 if recorded else len(b"layer"), False)


def test_the_image_of_another_lock_is_older(catalogue: Path, archive: Archive) -> None:
    locked(catalogue)
    keep(archive, OTHER)
    entry = only(catalogue, archive)
    assert (entry.image, entry.pin, entry.of_packages) == (OLDER, None, True)


def test_a_record_of_another_lock_does_not_count(catalogue: Path, archive: Archive) -> None:
    record(locked(catalogue), built(keep(archive, OTHER), OTHER))
    entry = only(catalogue, archive)
    assert (entry.image, entry.pin, entry.of_packages) == (OLDER, None, True)


def test_the_recorded_image_counts_before_one_that_came_later(catalogue: Path, archive: Archive) -> None:
    record(locked(catalogue), built(keep(archive)))
    keep(archive, OTHER)
    assert only(catalogue, archive).image == YES


def test_an_image_without_its_layer_is_not_archived(catalogue: Path, archive: Archive) -> None:
    record(locked(catalogue), built(keep(archive)))
    remove(archive, b"layer")
    assert only(catalogue, archive).image == NO


def test_a_damaged_image_is_not_archived(catalogue: Path, archive: Archive) -> None:
    pin = keep(archive)
    record(locked(catalogue), built(pin))
    assert pin.digest
    archive.blob_path(pin.digest).write_bytes(b"{}")
    assert only(catalogue, archive).image == NO


def test_what_is_in_the_archive_under_another_name_is_not_the_recipes(
    catalogue: Path, archive: Archive
) -> None:
    locked(catalogue)
    keep(archive, name="tool:2")
    assert only(catalogue, archive).image == NO


# Dockerfile recipes


def dockerfile(catalogue: Path, name: str = "tool/1") -> Path:
    folder = catalogue / name
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(f"FROM registry.example.com/base:1@{Digest.of(b'base')}\n")
    return folder


def test_a_dockerfile_recipe(catalogue: Path, archive: Archive) -> None:
    dockerfile(catalogue)
    entry = only(catalogue, archive)
    assert (entry.kind, entry.state, entry.suite, entry.size) == (DOCKERFILE, "ok", "", None)
    pin = keep(archive, None)
    entry = only(catalogue, archive)
    assert (entry.image, entry.pin, entry.size, entry.dated) == (YES, pin, len(b"layer"), 1_783_764_997)


def test_the_recorded_image_of_a_dockerfile(catalogue: Path, archive: Archive) -> None:
    folder = dockerfile(catalogue)
    keep(archive, None, b"earlier")
    record(folder, built(ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'tool')}")))
    entry = only(catalogue, archive)
    assert (entry.image, entry.size) == (OLDER, 75_000_000)
    record(folder, built(keep(archive, None)))
    keep(archive, None, b"later")
    assert only(catalogue, archive).image == YES


def test_a_dockerfile_that_would_be_refused_is_broken(catalogue: Path) -> None:
    path = dockerfile(catalogue) / "Dockerfile"
    path.write_text("FROM debian:12\n")
    entry = only(catalogue)
    assert entry.state == "broken"
    assert "debian:12" in entry.problem


def test_a_recipe_with_a_dockerfile_beside_it_is_a_debian_recipe(catalogue: Path) -> None:
    (locked(catalogue) / "Dockerfile").write_text(f"FROM registry.example.com/base:1@{Digest.of(b'base')}\n")
    assert only(catalogue).kind == DEBIAN


def test_a_folder_that_can_name_no_image(catalogue: Path) -> None:
    dockerfile(catalogue, "Tool/1")
    assert only(catalogue).state == "broken"
