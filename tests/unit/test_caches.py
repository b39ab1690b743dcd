"""A project's caches, as volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from buildbox.caches import Owner, cache_volumes, remove_caches, volume_name
from buildbox.container import ContainerSpec, Tmpfs, Volume
from buildbox.errors import EngineError
from tests.support.fake_engine import FakeEngine

CALLER = (4242, 4243)
ROOT = (0, 0)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    found = FakeEngine({"sha256:1": {}})
    yield found
    found.close()


def volumes(
    engine: FakeEngine, owner: Owner, user: tuple[int, int] = ROOT, **caches: str
) -> tuple[tuple[Volume, ...], tuple[Tmpfs, ...]]:
    return cache_volumes(engine, "sha256:1", caches, user, owner, "run")


def test_each_project_cache_and_user_has_a_volume_of_its_own(engine: FakeEngine, tmp_path: Path) -> None:
    one, two = (Owner(1000, tmp_path / name, tmp_path / "data") for name in ("one", "two"))
    found = {
        volumes(engine, one, pip="/a")[0][0].name,
        volumes(engine, one, npm="/a")[0][0].name,
        volumes(engine, two, pip="/a")[0][0].name,
        volume_name(one.project, "pip", CALLER),
    }
    assert len(found) == 4
    assert all(name.startswith("buildbox-") for name in found)
    again = volumes(engine, one, pip="/b")
    assert again == ((Volume(volume_name(one.project, "pip", ROOT), "/b"),), ())
    assert len(engine.volumes("buildbox.cache")) == 3


def test_the_project_is_its_real_folder(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    owners = [Owner(1000, tmp_path / name, tmp_path / "data") for name in ("real", "link")]
    assert volumes(engine, owners[0], pip="/a") == volumes(engine, owners[1], pip="/a")
    assert remove_caches(engine, 1000, tmp_path / "link") == 1


def test_folders_between_the_home_and_a_cache_are_the_users(engine: FakeEngine, tmp_path: Path) -> None:
    owner = Owner(1000, tmp_path, tmp_path / "data")
    home = "/home/build"
    found = volumes(
        engine, owner, pip=f"{home}/.cache/pip", go=f"{home}/go", deep=f"{home}/.local/a/b", x="/x"
    )
    options = "mode=0755,exec,uid=0,gid=0"
    assert found[1] == tuple(Tmpfs(f"{home}/{name}", options) for name in (".cache", ".local", ".local/a"))


def test_a_cache_within_a_cache_is_not_hidden(engine: FakeEngine, tmp_path: Path) -> None:
    owner = Owner(1000, tmp_path, tmp_path / "data")
    found = volumes(engine, owner, all="/home/build/.cache", pip="/home/build/.cache/a/pip")
    assert found[1] == ()


def test_removing_a_projects_caches_or_all(engine: FakeEngine, tmp_path: Path) -> None:
    mine, other = (Owner(1000, tmp_path / name, tmp_path / "data") for name in ("mine", "other"))
    volumes(engine, mine, pip="/a", npm="/b")
    volumes(engine, other, pip="/a")
    volumes(engine, Owner(1001, tmp_path / "mine2", tmp_path / "data2"), pip="/a")
    assert remove_caches(engine, 1000, mine.project) == 2
    assert remove_caches(engine, 1000, mine.project) == 0
    assert remove_caches(engine, 1000, None) == 1
    assert len(engine.volumes("buildbox.cache")) == 1  # another user's


def test_a_cache_in_use_is_told_and_the_others_go(engine: FakeEngine, tmp_path: Path) -> None:
    owner = Owner(1000, tmp_path, tmp_path / "data")
    first, _ = volumes(engine, owner, pip="/a", npm="/b")[0]
    container = engine.create(ContainerSpec("sha256:1", ("true",), (), "/", "0:0", volumes=(first,)))
    with pytest.raises(EngineError, match=r"1 cache couldn't be removed \(1 could\)") as caught:
        remove_caches(engine, 1000, tmp_path)
    assert first.name in caught.value.hint
    engine.remove(container)
    assert remove_caches(engine, 1000, tmp_path) == 1


def test_only_a_volume_that_is_not_known_is_given_to_its_user(tmp_path: Path) -> None:
    """In one container, which never starts; again where it was removed meanwhile."""
    given: list[str] = []

    class Noting(FakeEngine):
        def put_tree(self, container: str, path: str, tar: Iterable[bytes]) -> None:
            given.append(container)

    engine = Noting({"sha256:1": {}})
    owner = Owner(1000, tmp_path, tmp_path / "data")
    found, _ = volumes(engine, owner, CALLER, pip="/a", npm="/b")
    assert len(given) == 1
    assert volumes(engine, owner, CALLER, pip="/a", npm="/b")[0] == found
    assert len(given) == 1
    engine.remove_volume(found[0].name)
    volumes(engine, owner, CALLER, pip="/a", npm="/b")
    assert len(given) == 2
    volumes(engine, Owner(1000, tmp_path, tmp_path / "fresh"), CALLER, pip="/a")  # who doesn't know it
    assert len(given) == 3
    assert engine.left == []
    engine.close()
