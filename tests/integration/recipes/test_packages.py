from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import ImageError
from buildbox.oci import (
    MAX_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    canonical,
    parse_manifest,
)
from buildbox.recipes.apt import mirrors
from buildbox.recipes.kept import ARTIFACT
from buildbox.recipes.lock import Lock, Package
from buildbox.recipes.packages import keep
from buildbox.recipes.snapshot import Snapshot
from tests.integration.recipes.conftest import SetMirrors
from tests.support.recipes import lock, package, recipe
from tests.support.workshops import fetch_packages, workshop

MAKE = package("make", data=b"make's bytes")
GIT = package("git", "1:2.39.5-0+deb12u3", data=b"git's bytes")
BOTH = lock(MAKE, GIT)
BYTES = {MAKE: b"make's bytes", GIT: b"git's bytes"}


def mirror(folder: Path, contents: Mapping[Package, bytes]) -> Path:
    """A mirror's folder, of which only the pool matters once there is a lock."""
    folder.mkdir()
    for which, data in contents.items():
        path = folder / which.path
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    return folder


def gathered(
    wanted: Lock,
    archive: Archive,
    where: Path,
    env: Mapping[str, str],
    offline: bool = False,
    snapshot: Snapshot | None = None,
) -> list[bytes]:
    where.mkdir()
    return fetch_packages(wanted, workshop(where, archive, env, offline), snapshot)


def refusal(
    archive: Archive,
    where: Path,
    env: Mapping[str, str],
    offline: bool = False,
    snapshot: Snapshot | None = None,
) -> ImageError:
    with pytest.raises(ImageError) as caught:
        gathered(BOTH, archive, where, env, offline, snapshot)
    return caught.value


def test_from_a_mirror_and_then_from_the_archive(
    tmp_path: Path, archive: Archive, set_mirrors: SetMirrors
) -> None:
    env = set_mirrors([mirror(tmp_path / "mirror", BYTES)])
    assert gathered(BOTH, archive, tmp_path / "one", env) == [b"git's bytes", b"make's bytes"]
    nowhere = set_mirrors([])
    assert gathered(BOTH, archive, tmp_path / "two", nowhere) == [b"git's bytes", b"make's bytes"]
    assert gathered(BOTH, archive, tmp_path / "three", nowhere, True) == [
        b"git's bytes",
        b"make's bytes",
    ]


def test_each_mirror_is_asked_for_what_the_others_lack(
    tmp_path: Path, archive: Archive, set_mirrors: SetMirrors
) -> None:
    one = mirror(tmp_path / "m1", {MAKE: BYTES[MAKE]})
    other = mirror(tmp_path / "m2", {GIT: BYTES[GIT]})
    found = gathered(BOTH, archive, tmp_path / "one", set_mirrors([one, other]))
    assert found == [b"git's bytes", b"make's bytes"]


def test_a_mirror_with_other_bytes_is_refused_and_nothing_of_it_kept(
    tmp_path: Path, archive: Archive, set_mirrors: SetMirrors
) -> None:
    bad = mirror(tmp_path / "bad", {MAKE: b"evil's bytes", GIT: BYTES[GIT]})
    error = refusal(archive, tmp_path / "one", set_mirrors([bad]))
    assert str(MAKE) in error.reason
    assert str(GIT) not in error.reason
    assert "Hash Sum mismatch" in error.hint
    assert not archive.has(MAKE.digest)
    good = mirror(tmp_path / "good", {MAKE: BYTES[MAKE]})
    assert gathered(BOTH, archive, tmp_path / "two", set_mirrors([bad, good]))


def test_what_nobody_has_is_named_with_all_that_was_tried(
    tmp_path: Path, archive: Archive, set_mirrors: SetMirrors
) -> None:
    mirrors = [mirror(tmp_path / name, {GIT: BYTES[GIT]}) for name in ("m1", "m2")]
    error = refusal(archive, tmp_path / "one", set_mirrors(mirrors))
    assert error.reason.endswith(str(MAKE))
    for place in (str(archive.path), *map(str, mirrors)):
        assert place in error.hint


def test_the_snapshot_service_comes_last(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    env = set_mirrors([mirror(tmp_path / "mirror", {MAKE: BYTES[MAKE]})])
    kept = mirror(tmp_path / "snapshot", {MAKE: b"other bytes", GIT: BYTES[GIT]})
    service = Snapshot(f"file:{kept}/")
    assert "recipe names none" in refusal(archive, tmp_path / "zero", env).hint
    assert "not asked (--offline)" in refusal(archive, tmp_path / "one", env, True, service).hint
    refused = refusal(archive, tmp_path / "two", env, False, Snapshot(service.address, "This is how."))
    assert f"{service.address}: not asked" in refused.hint
    assert refused.hint.endswith("This is how.")
    assert gathered(BOTH, archive, tmp_path / "three", env, snapshot=service) == [
        b"git's bytes",
        b"make's bytes",
    ]


def test_the_users_own_mirrors_come_first(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    shop = workshop(tmp_path, archive, set_mirrors([mirror(tmp_path / "apts", {})]))
    own = mirror(tmp_path / "own", BYTES)
    assert mirrors("bookworm", replace(shop, mirrors=(f"file:{own}/",)))[0] == f"file:{own}/"
    assert fetch_packages(BOTH, replace(shop, mirrors=(f"file:{own}/",)))


def test_a_blob_that_came_as_something_else_is_no_package(
    tmp_path: Path, archive: Archive, set_mirrors: SetMirrors
) -> None:
    """As the layer of an image, or listed by what only says that it lists packages."""
    layers = [Descriptor(OCI_LAYER_GZIP, archive.add_bytes(BYTES[each]), each.size) for each in (MAKE, GIT)]
    config = Descriptor(OCI_CONFIG, archive.add_bytes(b'{"os":"linux"}'), 14)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    digest = archive.add_bytes(canonical(manifest))
    archive.keep(Descriptor(OCI_MANIFEST, digest, archive.size(digest)), f"docker.io/evil/image:1@{digest}")
    error = refusal(archive, tmp_path / "one", set_mirrors([]))
    assert str(MAKE) in error.reason
    assert str(GIT) in error.reason


def test_without_mirrors_and_offline(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    assert "set up with none" in refusal(archive, tmp_path / "one", set_mirrors([])).hint
    assert "--offline" in refusal(archive, tmp_path / "two", os.environ, True).hint
    assert "[images]" in refusal(archive, tmp_path / "three", set_mirrors([])).hint


def test_a_damaged_copy_is_replaced(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    env = set_mirrors([mirror(tmp_path / "mirror", BYTES)])
    gathered(BOTH, archive, tmp_path / "one", env)
    archive.blob_path(MAKE.digest).write_bytes(b"rotten")
    assert gathered(BOTH, archive, tmp_path / "two", env) == [b"git's bytes", b"make's bytes"]
    assert archive.is_sound(MAKE.digest)


def test_packages_are_kept_as_an_artifact(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    gathered(BOTH, archive, tmp_path / "one", set_mirrors([mirror(tmp_path / "mirror", BYTES)]))
    digest = keep(BOTH, recipe().image, archive)
    assert keep(BOTH, recipe().image, archive) == digest
    name, kept = archive.refs()[-1]
    assert (name, kept.digest) == (f"docker.io/buildbox/tool:1-packages@{digest}", digest)
    manifest = parse_manifest(archive.read(digest, MAX_MANIFEST))
    assert [layer.digest for layer in getattr(manifest, "layers")] == [GIT.digest, MAKE.digest]  # noqa: B009
