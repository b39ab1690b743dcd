from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.config.user import Allowance
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.snapshot import snapshot_address, snapshot_of
from tests.support.recipes import RECIPE, lock, recipe
from tests.support.workshops import workshop

SERVICE = "https://snapshot.example.com/debian/{time}/"
NAMING = recipe(RECIPE.replace("[debian]", f'[debian]\nsnapshot = "{SERVICE}"'))
DAY_LATER = "https://snapshot.example.com/debian/20260712T101637Z/"


@pytest.mark.parametrize(
    ("template", "address"),
    [
        (SERVICE, DAY_LATER),
        ("https://example.com/{time}", "https://example.com/20260712T101637Z/"),
        ("https://example.com/debian", "https://example.com/debian/"),
    ],
)
def test_the_state_of_a_day_later(template: str, address: str) -> None:
    assert snapshot_address(template, 1_783_764_997) == address


def test_whose_recipe_may_name_a_service(tmp_path: Path) -> None:
    shop = workshop(tmp_path, Archive.open(tmp_path / "archive"))
    project = tmp_path / "project/images/tool/1"
    project.mkdir(parents=True)
    assert snapshot_of(project, recipe(), lock(), shop) is None
    ours = snapshot_of(own_catalogue() / "tool/1", NAMING, lock(), shop)
    assert ours
    assert (ours.address, ours.refused) == (DAY_LATER, "")
    theirs = snapshot_of(project, NAMING, lock(), shop)
    assert theirs
    assert f'[allow."{tmp_path}/project"]\n    snapshot = ["{SERVICE}"]' in theirs.refused
    assert f"--allow 'snapshot={SERVICE}'" in theirs.refused
    assert str(shop.host.user_config) in theirs.refused
    other = replace(shop, allowance=Allowance().plus(["snapshot=https://other.example.com/{time}/"]))
    still = snapshot_of(project, NAMING, lock(), other)
    assert still
    assert '"https://other.example.com/{time}/", "https://snapshot' in still.refused
    allowed = replace(shop, allowance=Allowance().plus([f"snapshot={SERVICE}"]))
    found = snapshot_of(project, NAMING, lock(), allowed)
    assert found
    assert not found.refused


def test_a_link_to_a_recipe_of_ours_is_ours(tmp_path: Path) -> None:
    shop = workshop(tmp_path, Archive.open(tmp_path / "archive"))
    (tmp_path / "images/tool").mkdir(parents=True)
    (tmp_path / "images/tool/1").symlink_to(own_catalogue() / "python/3.11")
    found = snapshot_of(tmp_path / "images/tool/1", NAMING, lock(), shop)
    assert found
    assert not found.refused
