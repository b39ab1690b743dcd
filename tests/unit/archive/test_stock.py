from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.soundness import SET_ASIDE
from buildbox.archive.stock import IMAGE, OTHER, PACKAGES, Kept, take_stock
from buildbox.digest import Digest
from buildbox.oci import Descriptor, Platform
from buildbox.recipes.kept import keep_listed
from buildbox.recipes.layers import Layer, add_manifest
from buildbox.reference import ImageRef
from tests.support.images import AMD64, ARM64, make_image, make_index

LOCK = Digest.of(b"the checksum of a lock")
INDEX = make_index(make_image({"a": b"amd"}, platform=AMD64), make_image({"a": b"arm"}, platform=ARM64))
AMD, ARM = list(INDEX.manifests)[:2]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


def only(archive: Archive) -> Kept:
    (kept,) = take_stock(archive)
    return kept


def test_all_of_an_index_belongs_to_it(archive: Archive) -> None:
    INDEX.put_into(archive, "x")
    archive.keep(INDEX.top, "y")
    kept = only(archive)
    assert (kept.kind, kept.names, kept.missing, kept.damage) == (IMAGE, ("x", "y"), 0, "")
    assert set(kept.blobs) == {*INDEX.blobs, *INDEX.manifests}
    assert kept.manifests == frozenset(INDEX.manifests)
    assert kept.platforms == (str(AMD64), str(ARM64))
    assert kept.size == sum(path.stat().st_size for path in archive.blobs.iterdir())


def test_images_of_an_index_that_are_not_here_are_not_missed(archive: Archive) -> None:
    INDEX.put_into(archive, "x")
    archive.blob_path(ARM).unlink()
    assert (only(archive).platforms, only(archive).missing) == ((str(AMD64),), 0)
    assert ARM not in only(archive).manifests


def test_an_image_outside_of_an_index_says_itself_what_it_is_for(archive: Archive) -> None:
    image = make_image(platform=ARM64)
    image.put_into(archive)
    archive.keep(Descriptor(image.top.media_type, image.digest, image.top.size), "x")
    assert only(archive).platforms == (str(ARM64),)


def test_missing_parts_are_counted(archive: Archive) -> None:
    image = make_image({"a": b"1"}, {"b": b"2"})
    image.put_into(archive, "x")
    for layer in image.layers():
        archive.blob_path(layer).unlink()
    assert (only(archive).missing, only(archive).damage) == (2, "")


def test_what_is_damaged_cant_be_told_also_while_it_is_set_aside(archive: Archive) -> None:
    INDEX.put_into(archive, "x")
    archive.blob_path(AMD).write_bytes(b"{}")
    assert str(AMD) in only(archive).damage
    (archive.path / SET_ASIDE).mkdir()
    archive.blob_path(AMD).rename(archive.path / SET_ASIDE / AMD.hex)
    assert "being repaired" in only(archive).damage


def test_an_image_and_its_packages_know_their_lock(archive: Archive) -> None:
    package, tar = archive.add_bytes(b"a package"), archive.add_bytes(b"a layer")
    layer = Layer(Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", tar, 7), Digest.of(b"plain"))
    keep_listed([Descriptor("x/deb", package, 9)], ImageRef.parse("x:1-packages"), LOCK, archive)
    labels = {"buildbox.lock.checksum": str(LOCK)}
    add_manifest(ImageRef.parse("x:1"), Platform("linux", "amd64"), b"{}", [layer], labels, archive)
    packages, image = take_stock(archive)
    assert (packages.kind, image.kind) == (PACKAGES, IMAGE)
    assert packages.locks == image.locks == {str(LOCK)}
    assert package in packages.blobs


def test_an_image_that_is_needed_is_found_without_a_name(archive: Archive) -> None:
    INDEX.put_into(archive)
    assert take_stock(archive) == ()
    (kept,) = take_stock(archive, [AMD, Digest.of(b"not here")])
    assert (kept.names, kept.kind) == ((), IMAGE)
    assert AMD in kept.blobs
    assert INDEX.digest not in kept.blobs


def test_what_is_of_no_known_kind_is_itself_alone(archive: Archive) -> None:
    digest = archive.add_bytes(b"anything")
    archive.keep(Descriptor("text/plain", digest, 8), "x")
    assert (only(archive).kind, dict(only(archive).blobs), only(archive).damage) == (OTHER, {digest: 8}, "")
