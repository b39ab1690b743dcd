"""How old images may be."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.config.load import load
from buildbox.config.model import Config
from buildbox.errors import ConfigError, Exit
from buildbox.policy import OK, OLD, TOO_OLD, UNKNOWN, look_at_ages, refuse_old
from tests.support.images import make_image
from tests.support.values import PIN

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc).timestamp()
DATES = {"new": "2026-05-31T12:00:00Z", "spring": "2026-02-01T00:00:00Z", "old": "2025-01-01T00:00:00Z"}


def made(folder: Path, policy: str) -> tuple[Config, Archive]:
    """A project with images of each age, one without a date, and one that the archive doesn't have."""
    archive = Archive.open(folder / "archive")
    lines = []
    for name, date in (*DATES.items(), ("undated", "1980-01-01T00:00:01Z")):
        image = make_image({name: b""}, created=date)
        image.put_into(archive)
        table = "services" if name == "old" else "toolchains"
        lines += [f"[{table}.{name}]", f'image = "registry.example.com/{name}:1@{image.digest}"']
    lines += ["[toolchains.gone]", f'image = "{PIN}"', "[policy]", policy]
    path = folder / ".buildbox.toml"
    path.write_text("\n".join(lines) + "\n")
    return load(path), archive


def test_each_image_has_its_state(tmp_path: Path) -> None:
    config, archive = made(tmp_path, 'warn-pin-age = "90d"\nmax-pin-age = "365d"')
    found = {aged.pinned.title: aged for aged in look_at_ages(config, archive, NOW)}
    assert {name: aged.state for name, aged in found.items()} == {
        "new": OK,
        "spring": OLD,
        "services.old": TOO_OLD,
        "undated": UNKNOWN,
        "gone": UNKNOWN,
    }
    assert found["spring"].date == "2026-02-01"
    assert found["spring"].told == "its image was made 3 months ago, warn-pin-age is 90d"
    assert found["undated"].told.endswith("isn't known: it has no date")
    assert found["gone"].told.endswith("isn't known: the archive doesn't have it")
    assert found["gone"].date is None
    with pytest.raises(ConfigError, match="a pinned image is older than") as caught:
        refuse_old(config, tuple(found.values()))
    assert caught.value.exit == Exit.USAGE
    assert caught.value.problems == (
        ".buildbox.toml:6: services.old.image: its image was made 16 months ago, max-pin-age is 365d",
    )


def test_all_that_are_too_old_are_told(tmp_path: Path) -> None:
    config, archive = made(tmp_path, 'max-pin-age = "2d"')
    with pytest.raises(ConfigError, match="2 pinned images are older than") as caught:
        refuse_old(config, look_at_ages(config, archive, NOW))
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["4", "6"]


def test_a_warning_is_no_error(tmp_path: Path) -> None:
    config, archive = made(tmp_path, 'warn-pin-age = "1h"')
    found = look_at_ages(config, archive, NOW)
    assert [aged.state for aged in found] == [OLD, OLD, UNKNOWN, UNKNOWN, OLD]
    assert found[0].told == "its image was made today, warn-pin-age is 1h"
    refuse_old(config, found)


def test_without_an_archive_nothing_is_known(tmp_path: Path) -> None:
    config, _ = made(tmp_path, 'max-pin-age = "2d"')
    assert {aged.state for aged in look_at_ages(config, None, NOW)} == {UNKNOWN}


def test_who_lives_before_an_image_has_a_new_one(tmp_path: Path) -> None:
    config, archive = made(tmp_path, 'max-pin-age = "2d"')
    assert look_at_ages(config, archive, 0)[0].state == OK
