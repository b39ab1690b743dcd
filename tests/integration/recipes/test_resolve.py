"""With this machine's own mirrors."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import ImageError
from buildbox.recipes.lock import parse_lock, render_lock
from buildbox.recipes.resolve import resolve
from tests.integration.recipes.conftest import SetMirrors
from tests.support.recipes import RECIPE, recipe
from tests.support.workshops import workshop


def test_exact_packages_with_all_that_they_need(tmp_path: Path, archive: Archive) -> None:
    of = recipe()
    found = resolve(of, workshop(tmp_path, archive))
    by_name = {package.name: package for package in found.packages}
    assert by_name["make"].path.startswith("pool/main/m/make")
    assert {"make", "tzdata", "libc6", "bash", "dpkg"} <= by_name.keys()  # asked for, needed, essential
    assert "apt" not in by_name
    assert found.recipe == of.checksum
    assert found.source_date_epoch == 1_783_764_997  # of 12.15, the last bookworm
    assert {"mmdebstrap", "tar", "gzip"} <= dict(found.tools).keys()
    assert parse_lock(render_lock(found, of.text)) == found
    assert list(tmp_path.iterdir()) == [archive.path]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"make"', '"mkae", "no-such-tool"', "no such package: mkae; did you mean 'make'?, no-such-tool"),
        ("bookworm", "bokworm", "bokworm"),
    ],
)
def test_what_no_mirror_has(tmp_path: Path, archive: Archive, old: str, new: str, said: str) -> None:
    with pytest.raises(ImageError) as caught:
        resolve(recipe(RECIPE.replace(old, new)), workshop(tmp_path, archive))
    assert said in caught.value.reason


def test_no_mirror_at_all(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    with pytest.raises(ImageError, match="has no mirror"):
        resolve(recipe(), workshop(tmp_path, archive, set_mirrors([])))
