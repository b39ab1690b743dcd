from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.errors import ConfigError
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.lock import Wheel, changes, parse_lock, read_lock, render_lock, write_lock
from buildbox.recipes.recipe import read_recipe
from tests.support.recipes import RECIPE, lock, package, recipe, write_recipe

WHEEL = Wheel("pytest", "9.0.1", 7, "0" * 64, "pytest-9.0.1-py3-none-any.whl")
LOCK = lock(
    package("make", "4.3-4.1"),
    package("zlib1g", "1:1.2.13.dfsg-1"),
    package("adduser", "3.134", "all"),
    wheels=(WHEEL,),
)
TEXT = render_lock(LOCK, "tool/1")


def refusal(folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_lock(folder, read_recipe(folder))
    return caught.value


def test_what_is_written_is_read_again() -> None:
    assert parse_lock(TEXT) == LOCK


def test_one_package_a_line_sorted_by_name() -> None:
    names = [line.split('"')[1] for line in TEXT.splitlines() if line.startswith("  { name = ")]
    assert names == ["adduser", "make", "zlib1g", "pytest"]


def test_the_release_date_is_readable() -> None:
    assert "source-date-epoch = 1783764997 # 2026-07-11T10:16:37Z" in TEXT


@pytest.mark.parametrize("folder", sorted(path.parent for path in own_catalogue().glob("*/*/recipe.lock")))
def test_the_catalogues_locks_are_fresh_and_name_no_host(folder: Path) -> None:
    found = read_lock(folder, read_recipe(folder))
    assert found.packages
    assert "://" not in (folder / "recipe.lock").read_text()


def test_a_stale_lock_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, text=RECIPE.replace('"make", ', ""))
    write_lock(folder, LOCK, "tool/1")
    said = refusal(folder)
    assert "stale" in said.reason
    assert "buildbox images lock tool/1" in said.hint


def test_a_missing_lock(tmp_path: Path) -> None:
    assert "has no lock" in refusal(write_recipe(tmp_path)).reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "make", version', 'name = "make",  version'),
        ("4.3-4.1", "4.3-4.2"),
        ("pool/main/m/make", "pool/main/m/mak"),
        ("1783764997", "1783764998"),
        ('release = "12.15"', 'release = "12.14"'),
        ('mmdebstrap = "1', 'mmdebstrap = "2'),
        ('"pytest", version = "9.0.1"', '"pytest", version = "9.0.2"'),
        ("checksum = ", "check = "),
    ],
)
def test_a_lock_that_was_changed_by_hand(tmp_path: Path, old: str, new: str) -> None:
    folder = write_recipe(tmp_path)
    assert old in TEXT
    (folder / "recipe.lock").write_text(TEXT.replace(old, new))
    assert "changed by hand" in refusal(folder).reason


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 9", "format 9"),
        ("builder = 2", "builder = 0", "builder 0"),
        ('suite = "bookworm"\n', "", "incomplete"),
        ("4.3-4.1", "4.3 evil=1", "won't do"),
        ('"make"', '"?essential"', "won't do"),
        ("pool/main/m", "../../etc", "won't do"),
        ('file = "pytest', 'file = "../pytest', "won't do"),
        ("pool/main/m", "https://host/pool", "won't do"),
        ('name = "make"', 'name = "zlib1g"', "lists a package twice"),
        ('sha256 = "', 'sha256 = "g', "64 hex digits"),
    ],
)
def test_says_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = write_recipe(tmp_path)
    (folder / "recipe.lock").write_text(TEXT.replace(old, new))
    assert said in refusal(folder).reason


def test_tools_are_witnesses_only() -> None:
    other = parse_lock(TEXT.replace("1.3.5-7", "1.5.6-1"))
    assert other.checksum == LOCK.checksum


def test_a_package_changes_the_checksum() -> None:
    assert lock(package("make", "4.3-4.2")).checksum != lock(package("make", "4.3-4.1")).checksum


def test_changes_read_well() -> None:
    old = [package("a"), package("b"), package("c", data=b"1"), package("same")]
    new = [package("b", "2.0-1"), package("c", data=b"2"), package("d"), package("same")]
    assert changes(old, new) == [
        "- a 1.0-1 (amd64)",
        "+ d 1.0-1 (amd64)",
        "  b 1.0-1 -> 2.0-1",
        "  c 1.0-1 (amd64): other bytes under the same version",
    ]


def test_the_recipe_that_a_lock_is_of() -> None:
    assert recipe().checksum == LOCK.recipe
