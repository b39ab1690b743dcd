"""`buildbox archive check`, called as a user calls it, with a real registry to mend from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.hashing import hash_all
from buildbox.archive.layout import Archive
from buildbox.archive.names import RECOVERED
from buildbox.archive.soundness import examine
from buildbox.digest import Digest
from buildbox.errors import Exit
from buildbox.progress import Silent
from tests.integration.archive.test_concurrency import writer
from tests.integration.archive.test_layout import spoil
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.project import Project
from tests.support.registry import RealRegistry

IMAGE = make_index(
    make_image({"big": os.urandom(300_000)}, {"small": b"small"}, platform=AMD64),
    make_image({"arm": b"arm"}, platform=ARM64),
)
INDEX, AMD = IMAGE.digest, next(iter(IMAGE.manifests))
CONFIG, *LAYERS = list(IMAGE.blobs)[:3]
FILE = '[toolchains.tools]\nimage = "{pin}"\n[tasks.test]\nrun = "true"\n'


@dataclass(frozen=True)
class Kept:
    """An archive that has an image of a registry, which a project pins."""

    archive: Archive
    name: str
    project: Project

    def check(self, *options: str, status: int) -> dict[str, Any]:
        result = self.project.run("--json", "archive", "check", *options)
        assert result.status == status, result.err
        found: dict[str, Any] = json.loads(result.out)
        assert found["state"] == ("ok" if status == 0 else "fail")
        return found


def keep(folder: Path, image: MadeImage, name: str) -> Kept:
    project = Project(folder / "project", folder / "home")
    project.write({".buildbox.toml": FILE.format(pin=name)})
    archive = Archive.open(folder / "home" / "archive")
    image.put_into(archive, name)
    return Kept(archive, name, project)


@pytest.fixture
def kept(tmp_path: Path, real_registry: RealRegistry) -> Kept:
    real_registry.push(IMAGE, "tools/all", "1")
    return keep(tmp_path, IMAGE, real_registry.pull_ref("tools/all", IMAGE))


def remove(archive: Archive, digest: Digest) -> None:
    archive.blob_path(digest).unlink()


def test_a_sound_archive(kept: Kept) -> None:
    found = kept.check(status=0)
    assert (found["names"], found["faults"], found["repaired"]) == (1, [], [])
    assert found["blobs"] == len(IMAGE.blobs) + len(IMAGE.manifests)
    result = kept.project.run("archive", "check")
    assert (result.status, result.out) == (0, "")
    assert "the archive is sound: 8 blobs" in result.err


def test_an_archive_that_is_not_there_yet(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path / "home")
    assert json.loads(project.ok("--json", "archive", "check"))["blobs"] == 0
    assert not project.home.exists()


@pytest.mark.parametrize(("harm", "state"), [(spoil, "damaged"), (remove, "missing")])
@pytest.mark.parametrize(
    ("digest", "role"), [(INDEX, "index"), (AMD, "manifest"), (CONFIG, "config"), (LAYERS[0], "layer")]
)
def test_each_kind_of_blob_is_named_and_mended(
    kept: Kept, digest: Digest, role: str, harm: Callable[[Archive, Digest], None], state: str
) -> None:
    if role == "manifest":
        for blob in list(IMAGE.manifests)[1:2]:
            remove(kept.archive, blob)  # kept for one platform only
    harm(kept.archive, digest)
    (fault,) = kept.check(status=Exit.ARCHIVE)["faults"]
    place = kept.name.partition(":1@")[0]
    assert (fault["digest"], fault["role"], fault["state"]) == (str(digest), role, state)
    assert (fault["images"], fault["places"]) == ([kept.name], [place])
    assert fault["projects"] == [str(kept.project.root)]
    found = kept.check("--repair", status=0)
    assert [(each["digest"], each["place"]) for each in found["repaired"]] == [(str(digest), place)]
    assert kept.archive.is_sound(digest)
    assert not (kept.archive.path / "damaged").exists()
    assert kept.check(status=0)["faults"] == []


def test_everything_at_once(kept: Kept) -> None:
    for digest in (*IMAGE.blobs, *IMAGE.manifests):
        spoil(kept.archive, digest)
    assert len(kept.check(status=Exit.ARCHIVE)["faults"]) == len(IMAGE.blobs) + len(IMAGE.manifests)
    kept.check("--repair", status=0)
    assert all(kept.archive.is_sound(digest) for digest in (INDEX, AMD, CONFIG, *LAYERS))
    assert not (kept.archive.path / "damaged").exists()


def test_what_can_not_be_had_again_is_not_lost(tmp_path: Path, real_registry: RealRegistry) -> None:
    """Until a good copy is there, what is damaged is kept, and each place's answer said."""
    name = real_registry.pull_ref("tools/gone", IMAGE)
    kept = keep(tmp_path, IMAGE, name)
    spoil(kept.archive, LAYERS[0])
    damaged = kept.archive.blob_path(LAYERS[0]).read_bytes()
    found = kept.check("--repair", status=Exit.ARCHIVE)
    (fault,) = found["faults"]
    assert (fault["digest"], fault["state"]) == (str(LAYERS[0]), "missing")
    (answer,) = fault["answers"].values()
    assert "has no blob" in answer
    aside = kept.archive.path / "damaged" / LAYERS[0].hex
    assert aside.read_bytes() == damaged
    result = kept.project.run("archive", "check", "--repair")
    assert result.status == Exit.ARCHIVE
    assert f"{real_registry.host}/tools/gone: {answer}" in result.out
    assert "1 missing" in result.err
    real_registry.push(IMAGE, "tools/gone", "1")
    kept.check("--repair", status=0)
    assert not aside.exists()


def test_a_mirror_will_do(tmp_path: Path, real_registry: RealRegistry) -> None:
    """As for `run`: the registry itself may be gone."""
    real_registry.push(IMAGE, "mirrored/tools/x", "1")
    kept = keep(tmp_path, IMAGE, f"registry.invalid/tools/x:1@{INDEX}")
    (kept.project.home / "config.toml").write_text(
        f'[archive.mirrors]\n"registry.invalid" = ["{real_registry.host}/mirrored"]\n'
    )
    for digest in (INDEX, LAYERS[0]):
        spoil(kept.archive, digest)
    found = kept.check("--repair", status=0)
    assert {each["place"] for each in found["repaired"]} == {f"{real_registry.host}/mirrored/tools/x"}


def test_an_image_that_is_kept_by_several_names_is_had_by_any(
    tmp_path: Path, real_registry: RealRegistry
) -> None:
    real_registry.push(IMAGE, "tools/second", "1")
    kept = keep(tmp_path, IMAGE, f"docker.io/buildbox/tools:1@{INDEX}")
    kept.archive.keep(IMAGE.top, real_registry.pull_ref("tools/second", IMAGE))
    remove(kept.archive, LAYERS[1])
    (fault,) = kept.check(status=Exit.ARCHIVE)["faults"]
    assert len(fault["images"]) == 2
    assert fault["places"] == [f"{real_registry.host}/tools/second"]  # what was built here is in none
    assert fault["command"] == "buildbox images build tools/1"
    kept.check("--repair", status=0)


def test_a_check_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    archive = Archive.open(path)
    process = writer(path, 5, 40, "w")
    rounds = 0
    while process.poll() is None:
        assert examine(archive, hash_all(archive, Silent()), AMD64).ok
        rounds += 1
    assert (process.returncode, rounds > 1) == (0, True)


def test_offline_asks_nobody(kept: Kept) -> None:
    remove(kept.archive, CONFIG)
    (fault,) = kept.check("--repair", "--offline", status=Exit.ARCHIVE)["faults"]
    assert ["--offline" in answer for answer in fault["answers"].values()] == [True]


def test_for_people(kept: Kept) -> None:
    spoil(kept.archive, LAYERS[0])
    result = kept.project.run("archive", "check")
    assert result.status == Exit.ARCHIVE
    assert f"fail  layer {LAYERS[0]} is damaged: has other bytes than its digest says" in result.out
    assert f"of {kept.name}" in result.out
    assert f"pinned in {kept.project.root}" in result.out
    assert "1 damaged" in result.err
    assert "buildbox archive check --repair" in result.err
    out = kept.project.ok("archive", "check", "--repair")
    assert f"ok    layer {LAYERS[0]}: fetched again from" in out


def test_packages_of_a_recipe_can_not_be_fetched_singly(tmp_path: Path) -> None:
    package = b"a package"
    made = make_image()
    packages = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": made.top.media_type,
            "artifactType": "application/vnd.buildbox.packages.v1",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": str(Digest.of(b"{}")),
                "size": 2,
            },
            "layers": [
                {
                    "mediaType": "application/vnd.debian.binary-package",
                    "digest": str(Digest.of(package)),
                    "size": len(package),
                    "annotations": {"org.opencontainers.image.title": "bash_5.2_amd64.deb"},
                }
            ],
        }
    ).encode()
    top = type(made.top)(made.top.media_type, Digest.of(packages), len(packages))
    image = MadeImage(
        top,
        {top.digest: (top.media_type, packages)},
        {Digest.of(b"{}"): b"{}", Digest.of(package): package},
    )
    kept = keep(tmp_path, image, f"docker.io/buildbox/python:3.11-packages@{top.digest}")
    spoil(kept.archive, Digest.of(package))
    (fault,) = kept.check("--repair", status=Exit.ARCHIVE)["faults"]
    assert (fault["role"], fault["title"], fault["answers"]) == ("file", "bash_5.2_amd64.deb", {})
    assert fault["command"] == "buildbox images build python/3.11"


def test_the_list_of_names_is_made_anew(kept: Kept) -> None:
    other = make_image({"other": b"other"})
    other.put_into(kept.archive, f"registry.example.com/other:1@{other.digest}")
    index = kept.archive.path / "index.json"
    index.write_bytes(index.read_bytes()[:20])
    spoil(kept.archive, LAYERS[0])
    found = kept.check(status=Exit.ARCHIVE)
    assert "index.json" in found["index"]
    assert [fault["digest"] for fault in found["faults"]] == [str(LAYERS[0])]
    kept.check("--repair", status=0)
    assert {(name, top.digest) for name, top in kept.archive.refs()} == {
        (kept.name, INDEX),  # since the project pins it
        (f"{RECOVERED}@{other.digest}", other.digest),
    }
    assert kept.archive.is_sound(LAYERS[0])
    assert (kept.archive.path / "damaged" / "index.json").stat().st_size == 20


def test_a_damaged_blob_that_nothing_needs_is_removed(kept: Kept) -> None:
    digest = kept.archive.add_bytes(b"left over")
    spoil(kept.archive, digest)
    kept.check(status=Exit.ARCHIVE)
    assert kept.check("--repair", status=0)["repaired"][0]["place"] is None
    assert not kept.archive.has(digest)
