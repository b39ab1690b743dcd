from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildbox.host import Host
from buildbox.recipes.workplace import workplace
from tests.support.values import host


def at(now: float) -> Host:
    return host(Path("/"), now=now, uid=os.getuid())


def later(path: Path) -> Host:
    """A time at which `path` is no longer young."""
    return at(path.stat().st_mtime + 3600)


def test_gone_at_the_end_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workplace(tmp_path, at(0)) as place:
        (place.path / "folder").mkdir()
        (place.path / "folder" / "file").write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_dead_builds_place_is_swept_a_live_ones_is_not(tmp_path: Path) -> None:
    dead = tmp_path / "buildbox-build-dead"
    dead.mkdir()
    (dead / "layer.tar").write_text("x")
    other = tmp_path / "somebody-elses"
    other.mkdir()
    with workplace(tmp_path, at(0)) as live, workplace(tmp_path, later(live.path)):
        assert live.path.is_dir()
        assert not dead.exists()
    assert list(tmp_path.iterdir()) == [other]


def test_a_young_place_may_not_be_locked_yet(tmp_path: Path) -> None:
    young = tmp_path / "buildbox-build-young"
    young.mkdir()
    with workplace(tmp_path, at(young.stat().st_mtime + 1)):
        assert young.is_dir()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "buildbox-build-link").symlink_to(precious)
    with workplace(tmp_path, later(precious)):
        pass
    assert precious.is_dir()
