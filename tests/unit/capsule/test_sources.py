"""Recipes and packages of catalogue images, as far as an archive has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.capsule.parts import Parts
from buildbox.capsule.sources import add_recipe
from buildbox.digest import Digest
from buildbox.recipes.kept import listed
from buildbox.recipes.lock import write_lock
from buildbox.recipes.packages import keep
from buildbox.recipes.record import Built, record
from buildbox.reference import ImageRef
from tests.support.recipes import lock, package, recipe, write_recipe

PIN = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'index')}")
DEBS = (package("make", data=b"make"), package("tzdata", data=b"tzdata"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    folder = write_recipe(tmp_path / "images")
    locked = lock(*DEBS, of=recipe(catalogue=tmp_path / "images"))
    write_lock(folder, locked, "tool/1")
    digest = Digest.of(b"")
    record(folder, Built(PIN, "linux/amd64", digest, digest, (), 0, locked.checksum))
    return tmp_path / "images"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    (tmp_path / "scratch").mkdir()
    return Parts(Archive.open(tmp_path / "archive"), tmp_path / "scratch")


def kept(archive: Archive, *debs: bytes, image: ImageRef = PIN) -> None:
    """Keeps a list of packages with these contents."""
    for data in debs:
        archive.add_bytes(data)
    keep(lock(*[deb for deb in DEBS if deb.name.encode() in debs]), image, archive)


def test_a_recipe_comes_with_all_of_its_packages(parts: Parts, catalogue: Path) -> None:
    kept(parts.archive, b"make", b"tzdata")
    assert add_recipe(parts, PIN, [catalogue]) is None
    names = ("recipe.lock", "recipe.pin", "recipe.toml")
    assert sorted(parts.layers) == [f"recipes/tool/1/{name}" for name in names]
    (name,) = parts.entries
    assert name.startswith("docker.io/buildbox/tool:1-packages@sha256:")
    assert {deb.digest for deb in DEBS} <= parts.blobs.keys()


def test_what_the_archive_lacks_is_said(parts: Parts, catalogue: Path) -> None:
    kept(parts.archive, b"make")
    left_out = add_recipe(parts, PIN, [catalogue])
    assert left_out == "1 of the 2 packages of tool/1, 6 B: the archive hasn't got them"
    (top,) = parts.entries.values()
    content = parts.blobs[top.digest].content
    assert isinstance(content, bytes)
    assert [layer["digest"] for layer in json.loads(content)["layers"]] == [str(DEBS[0].digest)]


def test_what_no_list_calls_a_package_is_none(parts: Parts, catalogue: Path) -> None:
    for deb in (b"make", b"tzdata"):
        parts.archive.add_bytes(deb)
    assert listed(parts.archive) == frozenset()
    assert add_recipe(parts, PIN, [catalogue]) == (
        "2 of the 2 packages of tool/1, 10 B: the archive hasn't got them"
    )
    assert parts.entries == {}


def test_an_image_without_a_recipe_brings_none(parts: Parts, catalogue: Path) -> None:
    other = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'another')}")
    assert add_recipe(parts, other, [catalogue]) is None
    assert parts.layers == {}


def test_a_lock_that_is_stale_leaves_packages_out(parts: Parts, catalogue: Path) -> None:
    path = catalogue / "tool/1/recipe.toml"
    path.write_text(path.read_text().replace('"make", ', ""))
    left_out = add_recipe(parts, PIN, [catalogue])
    assert left_out is not None
    assert left_out.startswith("the packages of tool/1: ")
    assert "is stale" in left_out
