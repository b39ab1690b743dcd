from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import UsageError
from buildbox.recipes.catalogue import (
    find_recipe,
    own_catalogue,
    recipe_names,
    recipe_of,
    record_pin,
    recorded_pin,
)
from buildbox.reference import ImageRef
from tests.support.recipes import write_recipe

PIN = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'tool')}")


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


def test_own_catalogue_has_python() -> None:
    folder = find_recipe("python/3.11", [own_catalogue()])
    pin = recorded_pin(folder)
    assert pin
    assert pin.tagged == "buildbox/python:3.11"
    assert recipe_of(pin, [own_catalogue()]) == "python/3.11"


def test_a_recipe_is_known_by_what_it_was_built_to(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path)
    assert recipe_of(PIN, [tmp_path]) is None
    record_pin(folder, PIN)
    assert recipe_of(ImageRef.parse(f"elsewhere.example.com/x@{PIN.digest}"), [tmp_path]) == "tool/1"
    assert recipe_of(PIN.pinned(Digest.of(b"other")), [tmp_path]) is None
    assert recipe_of(ImageRef.parse("buildbox/tool:1"), [tmp_path]) is None
