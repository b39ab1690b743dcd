from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import ImageError
from buildbox.oci import MAX_MANIFEST, parse_manifest
from buildbox.recipes.lock import Lock, Package
from buildbox.recipes.packages import keep
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
    wanted: Lock, archive: Archive, where: Path, env: Mapping[str, str], offline: bool = False
) -> list[bytes]:
    where.mkdir()
    return fetch_packages(wanted, workshop(where, archive, env, offline))


def refusal(archive: Archive, where: Path, env: Mapping[str, str], offline: bool = False) -> ImageError:
    with pytest.raises(ImageError) as caught:
        gathered(BOTH, archive, where, env, offline)
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


def test_without_mirrors_and_offline(tmp_path: Path, archive: Archive, set_mirrors: SetMirrors) -> None:
    assert "set up with none" in refusal(archive, tmp_path / "one", set_mirrors([])).hint
    assert "--offline" in refusal(archive, tmp_path / "two", os.environ, True).hint


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
    [(name, kept)] = archive.refs()
    assert (name, kept.digest) == (f"docker.io/buildbox/tool:1-packages@{digest}", digest)
    manifest = parse_manifest(archive.read(digest, MAX_MANIFEST))
    assert [layer.digest for layer in getattr(manifest, "layers")] == [GIT.digest, MAKE.digest]  # noqa: B009
