"""Where an image comes from: engine, archive, registry, in this order, and by digest only."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from buildbox import images
from buildbox.archive.compression import CannotUnpack, unpacks_zstd
from buildbox.archive.layout import Archive, BlobDamaged
from buildbox.archive.loader import load
from buildbox.errors import ArchiveError, EngineError, Exit, ImageError
from buildbox.oci import Platform
from buildbox.progress import Progress, Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from tests.integration.archive.engines import WatchedEngine, image_of_its_own, watched_engine
from tests.integration.archive.test_layout import spoil
from tests.support.faulty import run_faulty, status
from tests.support.images import AMD64, MadeImage, Settings, make_image, packed_as
from tests.support.registry import RealRegistry
from tests.support.seen import Seen


def no_registry(host: str) -> Registry:
    raise AssertionError(f"{host} was asked")


def registry(host: str) -> Registry:
    return Registry(host, pause=0.001)


def obtain(
    archive: Archive,
    engine: WatchedEngine,
    ref: ImageRef,
    *,
    offline: bool = False,
    registry_for: Callable[[str], Registry] = registry,
    recipe: str | None = None,
    progress: Progress | None = None,
    platform: Platform = AMD64,
) -> str:
    image, image_id = images.obtain(
        archive,
        engine,
        ref,
        platform,
        offline=offline,
        registry_for=registry_for,
        recipe_for=lambda _: recipe,
        progress=progress or Silent(),
    )
    assert image_id in image.ids
    assert engine.has_image(image_id)
    return image_id


def pin(image: MadeImage, host: str = "registry.invalid") -> ImageRef:
    return ImageRef.parse(f"{host}/tools/x:1@{image.digest}")


def test_registry_then_archive_then_engine(archive: Archive, real_registry: RealRegistry) -> None:
    made = image_of_its_own("way")
    real_registry.push(made, "tools/x", "1")
    ref = pin(made, real_registry.host)
    with watched_engine(made) as engine:
        assert images.find(archive, ref, AMD64) is None
        first = obtain(archive, engine, ref)
        assert engine.loads == 1
        assert obtain(archive, engine, ref, registry_for=no_registry) == first
        assert engine.loads == 1  # it was there
        found = images.find(archive, ref, AMD64)
        assert found is not None and first in found.ids
    with watched_engine(made) as engine:
        assert obtain(archive, engine, ref, registry_for=no_registry, offline=True) == first
        assert engine.loads == 1


def test_an_image_that_only_the_archive_lost_is_not_loaded_again(
    archive: Archive, real_registry: RealRegistry
) -> None:
    made = image_of_its_own("engine only")
    real_registry.push(made, "tools/x", "1")
    ref = pin(made, real_registry.host)
    with watched_engine(made) as engine:
        obtain(archive, engine, ref)
        for blob in archive.blobs.iterdir():
            blob.unlink()
        obtain(archive, engine, ref)
        assert engine.loads == 1
        assert images.find(archive, ref, AMD64) is not None


def test_an_unpinned_image_is_refused(archive: Archive) -> None:
    with watched_engine() as engine, pytest.raises(ImageError, match="not pinned") as caught:
        obtain(archive, engine, ImageRef.parse("debian:12"), registry_for=no_registry)
    assert caught.value.exit == Exit.IMAGE
    assert "buildbox pin" in caught.value.hint


def test_offline_asks_nobody(archive: Archive) -> None:
    made = image_of_its_own("offline")
    with watched_engine() as engine, pytest.raises(ImageError, match="can't be had") as caught:
        obtain(archive, engine, pin(made), offline=True, registry_for=no_registry, recipe="python/3.11")
    assert "registry: registry.invalid is not asked (--offline)" in caught.value.hint
    assert "buildbox images build python/3.11" in caught.value.hint


def test_every_place_and_its_answer_are_listed(archive: Archive) -> None:
    made = image_of_its_own("nowhere")
    with run_faulty(make_image()) as other, watched_engine() as engine, pytest.raises(ImageError) as caught:
        obtain(archive, engine, pin(made, other.host))
    lines = caught.value.hint.splitlines()
    assert str(made.digest) in caught.value.reason
    assert [line.partition(": ")[0] for line in lines[:3]] == ["engine", "archive", "registry"]
    assert f"{other.host} has no image {made.digest}" in lines[2]


def test_a_registry_that_wants_a_login_says_how(archive: Archive) -> None:
    made = image_of_its_own("login")
    with run_faulty(made, status(401)) as other, watched_engine() as engine:
        with pytest.raises(ImageError) as caught:
            obtain(archive, engine, pin(made, other.host))
        assert f"docker login {other.host}" in caught.value.hint


@pytest.mark.parametrize("what", ["missing", "damaged"])
@pytest.mark.parametrize("which", ["layer", "manifest"])
def test_what_the_archive_lost_is_fetched_again(archive: Archive, what: str, which: str) -> None:
    made, seen = image_of_its_own(f"lost {what} {which}"), Seen()
    made.put_into(archive)
    lost = made.layers()[0] if which == "layer" else made.digest
    if what == "damaged":
        spoil(archive, lost)
    else:
        archive.blob_path(lost).unlink()
    with run_faulty(made) as source, watched_engine(made) as engine:
        obtain(archive, engine, pin(made, source.host), progress=seen)
    assert archive.is_sound(lost)
    assert any(str(lost) in note for note in seen.notes) == ((what, which) != ("missing", "manifest"))


def test_damage_offline_is_said_and_nothing_is_loaded(archive: Archive) -> None:
    made = image_of_its_own("damaged offline")
    made.put_into(archive)
    spoil(archive, made.layers()[0])
    with watched_engine(made) as engine:
        with pytest.raises(BlobDamaged) as caught:
            obtain(archive, engine, pin(made), offline=True, registry_for=no_registry)
        assert caught.value.exit == Exit.ARCHIVE
        assert not engine.complete


def test_an_image_for_another_platform_is_not_looked_for_elsewhere(archive: Archive) -> None:
    made = image_of_its_own("platform")
    made.put_into(archive)
    with watched_engine() as engine, pytest.raises(ImageError, match="it is for: linux/amd64"):
        obtain(archive, engine, pin(made), platform=Platform("linux", "riscv64"), registry_for=no_registry)


def test_a_tag_in_the_engine_is_never_trusted(archive: Archive) -> None:
    """The name that buildbox gives what it loads, on another image, changes nothing."""
    made, evil = image_of_its_own("good"), image_of_its_own("evil")
    made.put_into(archive)
    with watched_engine(made, evil) as engine:
        evil.put_into(archive)
        evil_id = obtain(archive, engine, pin(evil), registry_for=no_registry)
        tag = f"sha256-{made.digest.hex[:32]}"
        engine.api.tag(evil_id, "buildbox.local/keep", tag)
        engine.api.tag(evil_id, "registry.invalid/tools/x", "1")
        try:
            assert obtain(archive, engine, pin(made), registry_for=no_registry) != evil_id
        finally:
            engine.api.remove_image("registry.invalid/tools/x:1")


def test_the_list_of_names_is_not_read_on_the_way_to_an_image(archive: Archive) -> None:
    """It grows with the archive: a run is as fast beside a thousand images as beside one."""
    made = image_of_its_own("names")
    made.put_into(archive, "registry.invalid/tools/x:1")
    (archive.path / "index.json").write_text("unreadable")
    with pytest.raises(ArchiveError):
        archive.refs()
    with watched_engine(made) as engine:
        assert images.find(Archive.open(archive.path), pin(made), AMD64)
        obtain(Archive.open(archive.path), engine, pin(made), offline=True, registry_for=no_registry)


def test_uncompressed_layers_are_loaded(archive: Archive) -> None:
    made = packed_as("plain", {"a": b"plain layer\n"}, {"b": b"second"}, settings=Settings(env=("A=plain",)))
    made.put_into(archive)
    with watched_engine(made) as engine:
        obtain(archive, engine, pin(made), offline=True, registry_for=no_registry)


@pytest.mark.parametrize("kind", ["zstd", "zstd said to be gzip"])
def test_zstd_layers_are_loaded_or_refused_before_anything_is(archive: Archive, kind: str) -> None:
    """And what is said of the engine is true: it can, or it really can't."""
    own = secrets.token_bytes(8)  # else the engine may know the layer, whatever it is packed in
    made = packed_as(kind, {"a": own}, settings=Settings(labels={"test": kind}))
    made.put_into(archive)
    found = images.find(archive, pin(made), AMD64)
    assert found is not None
    with watched_engine(made) as engine:
        if unpacks_zstd(engine.info()):
            obtain(archive, engine, pin(made), offline=True, registry_for=no_registry)
            return
        with pytest.raises(CannotUnpack, match="compressed with zstd") as caught:
            obtain(archive, engine, pin(made), offline=True, registry_for=no_registry)
        assert "Docker Engine 23 or later" in caught.value.hint
        assert engine.loads == 0
        with pytest.raises(EngineError):
            load(archive, found, engine, Silent())
