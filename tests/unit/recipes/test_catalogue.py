from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import UsageError
from buildbox.recipes.catalogue import (
    find_recipe,
    need_own,
    own_catalogue,
    recipe_names,
    recipe_of,
)
from buildbox.recipes.lock import read_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import Built, record, recorded, recorded_for, recorded_pin
from buildbox.reference import ImageRef
from buildbox.starter import recognise
from buildbox.starter.folder import Folder
from tests.support.recipes import lock, write_recipe
from tests.support.samples import ALL

OWN = recipe_names([own_catalogue()])
PIN = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'tool')}")
LOCK = lock()
BUILT = Built(PIN, "linux/amd64", Digest.of(b"manifest"), Digest.of(b"config"), (Digest.of(b"layer"),), 7)


def test_the_first_catalogue_counts(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine", tmp_path / "own"
    first = write_recipe(mine)
    write_recipe(own)
    second = write_recipe(own, "tool/2")
    assert find_recipe("tool/1", [mine, own]) == first
    assert find_recipe("tool/2", [mine, own]) == second
    assert recipe_names([mine, own]) == ["tool/1", "tool/2"]


@pytest.mark.parametrize("name", ["tol/1", "tool", "tool/3", "../images/tool/1", "/tool/1"])
def test_near_misses_are_named(tmp_path: Path, name: str) -> None:
    write_recipe(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_recipe(name, [tmp_path])
    assert "tool/1" in caught.value.hint


@pytest.mark.parametrize("name", OWN)
def test_each_recipe_here_is_locked_and_pinned(name: str) -> None:
    folder = find_recipe(name, [own_catalogue()])
    recipe = read_recipe(folder)
    lock = read_lock(folder, recipe)  # refuses one that is stale or was changed by hand
    assert lock.suite in ("bookworm", "trixie")
    assert recipe.components == ("main",)
    assert recipe.smoke
    assert set(recipe.packages) <= {package.name for package in lock.packages}
    pin = recorded_pin(folder)
    assert pin
    assert pin.tagged == recipe.image.tagged
    assert recipe_of(pin, [own_catalogue()]) == name


def test_the_locks_here_agree() -> None:
    """Those of one suite, so that a package which several need is downloaded and kept once."""
    locks = [read_lock(folder, read_recipe(folder)) for folder in map(own_catalogue().joinpath, OWN)]
    suites = {lock.suite for lock in locks}
    assert len({(lock.suite, lock.release, lock.source_date_epoch) for lock in locks}) == len(suites)
    packages = {(lock.suite, package) for lock in locks for package in lock.packages}
    named = {(suite, package.name, package.architecture) for suite, package in packages}
    assert len(named) == len(packages)


@pytest.mark.parametrize("kind", ALL)
def test_what_init_proposes_is_here(kind: str) -> None:
    parts = recognise(Folder(frozenset(ALL[kind]), ALL[kind]))
    assert {part.recipe for part in parts} <= set(OWN)


def test_a_recipe_is_known_by_what_it_was_built_to(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path)
    assert recipe_of(PIN, [tmp_path]) is None
    record(folder, BUILT)
    assert recorded(folder) == BUILT
    of_lock = replace(BUILT, lock=LOCK.checksum)
    record(folder, of_lock)
    assert recorded_for(folder, LOCK) == of_lock
    assert recorded_for(folder, replace(LOCK, release="other", source_date_epoch=0)) is None
    assert recipe_of(ImageRef.parse(f"elsewhere.example.com/x@{PIN.digest}"), [tmp_path]) == "tool/1"
    assert recipe_of(PIN.pinned(Digest.of(b"other")), [tmp_path]) is None
    assert recipe_of(ImageRef.parse("buildbox/tool:1"), [tmp_path]) is None


def test_what_is_installed_with_buildbox_is_not_changed(tmp_path: Path) -> None:
    package = tmp_path / "buildbox"
    installed = write_recipe(package / "images")
    assert own_catalogue(package) == package / "images"
    with pytest.raises(UsageError) as caught:
        need_own(installed, package)
    assert f"cp -r {installed} images/tool/1" in caught.value.hint
    checkout = write_recipe(tmp_path / "images")
    need_own(checkout, package)
