from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.compression import CannotUnpack, check_layers, unpacks_zstd
from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.engine.protocol import EngineInfo
from tests.support.fake_engine import FakeEngine
from tests.support.images import AMD64, make_image, packed_as

OLD = EngineInfo(
    "Docker Engine", "20.10.24+dfsg1", "1.41", "unix:///x", "linux/amd64", "classic (overlay2)", False, "/"
)


@pytest.mark.parametrize(
    ("name", "version", "store", "expected"),
    [
        ("Docker Engine", "20.10.24+dfsg1", "classic (overlay2)", False),
        ("Docker Engine", "19.03.1", "classic (btrfs)", False),
        ("Docker Engine", "23.0.0", "classic (overlay2)", True),
        ("Docker Engine", "28.5.1", "classic (overlay2)", True),
        ("Docker Engine", "20.10.24", "containerd (overlayfs)", True),
        ("Docker Engine", "dev", "classic (overlay2)", True),
        ("Podman Engine", "4.3.1", "classic (overlay)", True),
    ],
)
def test_who_unpacks_zstd(name: str, version: str, store: str, expected: bool) -> None:
    assert unpacks_zstd(replace(OLD, name=name, version=version, store=store)) is expected


class OldEngine(FakeEngine):
    def info(self) -> EngineInfo:
        return OLD


class NotAsked(FakeEngine):
    def info(self) -> EngineInfo:
        raise AssertionError("the engine was asked")


@pytest.mark.parametrize("kind", ["zstd", "zstd said to be gzip"])
def test_an_engine_that_can_not_is_told_of(kind: str, tmp_path: Path) -> None:
    made, archive = packed_as(kind, {"a": b"x"}, {"b": b"y"}), Archive.open(tmp_path / "archive")
    made.put_into(archive)
    image = find_image(archive, made.digest, AMD64)
    assert image is not None
    with pytest.raises(
        CannotUnpack, match=r"2 of its 2 layers are compressed with zstd, which Docker Engine 20"
    ):
        check_layers(archive, image, OldEngine())
    check_layers(archive, image, FakeEngine())


@pytest.mark.parametrize("kind", ["gzip", "plain"])
def test_other_layers_are_no_question(kind: str, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    made = packed_as(kind, {"a": b"x"}) if kind == "plain" else make_image({"a": b"x"})
    made.put_into(archive)
    image = find_image(archive, made.digest, AMD64)
    assert image is not None
    check_layers(archive, image, NotAsked())
