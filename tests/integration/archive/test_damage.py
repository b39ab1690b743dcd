"""A flipped bit in each kind of blob: found before an engine sees it, and mended where that is possible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import Exit
from buildbox.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, canonical
from tests.integration.archive.engines import WatchedEngine, watched_engine
from tests.integration.archive.test_layout import spoil
from tests.support.images import MadeImage
from tests.support.project import Project
from tests.support.registry import RealRegistry
from tests.support.tiny_image import tiny_image

TINY = tiny_image(config={"Labels": {"test": "damage"}})  # an image that no other test has
_ENTRY = TINY.descriptor
_INDEX = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_ENTRY.to_json()]})
IMAGE = MadeImage(
    Descriptor(OCI_INDEX, Digest.of(_INDEX), len(_INDEX)),
    {_ENTRY.digest: (OCI_MANIFEST, TINY.manifest), Digest.of(_INDEX): (OCI_INDEX, _INDEX)},
    {Digest.of(data): data for data in (TINY.config, TINY.layer)},
)
BLOBS = {
    "index": IMAGE.digest,
    "manifest": _ENTRY.digest,
    "config": Digest.of(TINY.config),
    "layer": Digest.of(TINY.layer),
}


@pytest.fixture
def engine() -> Iterator[WatchedEngine]:
    """The engine, without the image."""
    with watched_engine(IMAGE) as found:
        yield found


def make(folder: Path, pin: str) -> tuple[Project, Archive]:
    project = Project(folder / "project", folder / "home")
    project.write(
        {".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n[tasks.test]\nrun = "echo it runs"\n'}
    )
    archive = Archive.open(folder / "home" / "archive")
    IMAGE.put_into(archive, pin)
    return project, archive


def flip(archive: Archive, digest: Digest) -> None:
    """One bit in the middle."""
    spoil(archive, digest, archive.size(digest) // 2)


@pytest.mark.parametrize("kind", BLOBS)
def test_offline_it_is_said_and_no_engine_sees_it(tmp_path: Path, engine: WatchedEngine, kind: str) -> None:
    project, archive = make(tmp_path, f"registry.invalid/tools/x:1@{IMAGE.digest}")
    flip(archive, BLOBS[kind])
    result = project.run("--offline", "run", "test")
    assert (result.status, result.out) == (Exit.ARCHIVE, "")
    assert str(BLOBS[kind]) in result.err
    assert "buildbox archive check --repair" in result.err
    assert not any(engine.has_image(str(digest)) for digest in BLOBS.values())


@pytest.mark.parametrize("kind", BLOBS)
@pytest.mark.usefixtures("engine")
def test_otherwise_it_is_fetched_anew(tmp_path: Path, real_registry: RealRegistry, kind: str) -> None:
    real_registry.push(IMAGE, "tools/damage", "1")
    project, archive = make(tmp_path, real_registry.pull_ref("tools/damage", IMAGE))
    flip(archive, BLOBS[kind])
    assert project.ok("run", "test") == "it runs\n"
    assert archive.is_sound(BLOBS[kind])
    project.ok("archive", "check")


def test_each_bit_counts(tmp_path: Path) -> None:
    """Wherever in a small blob it is."""
    _, archive = make(tmp_path, f"registry.invalid/tools/x:1@{IMAGE.digest}")
    for kind in ("index", "manifest", "config"):
        path = archive.blob_path(BLOBS[kind])
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            assert not archive.is_sound(BLOBS[kind])
        path.write_bytes(data)
        assert archive.is_sound(BLOBS[kind])


NEWER = json.dumps({"imageLayoutVersion": "2.0.0"})


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "line",
    [
        "run test",
        "run --offline test",
        "archive check",
        "archive check --repair",
        "archive save",
        "archive restore",
        "archive list",
        "archive gc",
    ],
)
def test_an_archive_of_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path, line: str) -> None:
    project, archive = make(tmp_path, f"registry.invalid/tools/x:1@{IMAGE.digest}")
    (archive.path / "oci-layout").write_text(NEWER)
    before = state(archive.path)
    result = project.run(*line.split())
    assert (result.status, result.out) == (Exit.ARCHIVE, "")
    assert "has the layout version '2.0.0'; this buildbox reads 1.0.0" in result.err
    assert "Use the buildbox that wrote it, or a newer one" in result.err
    assert state(archive.path) == before
