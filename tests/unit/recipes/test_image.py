from __future__ import annotations

from dataclasses import replace

import pytest

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Platform
from buildbox.recipes.image import image_config, labels, platform_of
from tests.support.recipes import RECIPE, lock, package, recipe

DIFF_ID = Digest.of(b"layer")


def test_the_configuration_says_where_it_comes_from() -> None:
    made = lock(package("make"))
    config = image_config(recipe(), made, DIFF_ID)
    assert config["created"] == "2026-07-11T10:16:37Z"
    assert config["rootfs"] == {"type": "layers", "diff_ids": [str(DIFF_ID)]}
    assert config["config"]["Env"] == [
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    assert config["config"]["Labels"] == labels(recipe(), made)
    assert labels(recipe(), made)["buildbox.lock.checksum"] == str(made.checksum)
    assert labels(recipe(), made)["buildbox.source-date-epoch"] == "1783764997"


@pytest.mark.parametrize(
    ("debian", "platform"),
    [
        ("amd64", "linux/amd64"),
        ("armhf", "linux/arm/v7"),
        ("i386", "linux/386"),
        ("ppc64el", "linux/ppc64le"),
    ],
)
def test_platforms(debian: str, platform: str) -> None:
    found = platform_of(debian)
    assert str(found) == platform
    assert Platform.parse(platform) == found


def test_a_variant_is_in_the_configuration() -> None:
    config = image_config(recipe(), replace(lock(), architecture="armhf"), DIFF_ID)
    assert (config["architecture"], config["variant"]) == ("arm", "v7")


def test_an_architecture_without_a_platform() -> None:
    with pytest.raises(ImageError, match="hurd"):
        platform_of("hurd-i386")


def test_user_and_workdir_are_in_the_configuration_if_they_are_in_the_recipe() -> None:
    plain = image_config(recipe(), lock(), DIFF_ID)["config"]
    assert {"User", "WorkingDir"}.isdisjoint(plain)
    text = RECIPE.replace("[image]", '[image]\nuser = "build"\nworkdir = "/work"')
    own = image_config(recipe(text), lock(), DIFF_ID)["config"]
    assert (own["User"], own["WorkingDir"]) == ("build", "/work")
