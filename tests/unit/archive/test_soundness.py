"""What is said of an archive that isn't whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.archive.hashing import hash_all
from buildbox.archive.layout import REF_NAME, Archive
from buildbox.archive.names import RECOVERED, rebuild
from buildbox.archive.soundness import NOTHING, SET_ASIDE, Soundness, examine
from buildbox.digest import Digest
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from buildbox.progress import Silent
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index

ONE = make_image({"one": b"1"}, {"same": b"same"})
TWO = make_image({"two": b"2"}, {"same": b"same"})
BOTH = make_index(make_image({"a": b"amd"}, platform=AMD64), make_image({"a": b"arm"}, platform=ARM64))
ONE_NAME, TWO_NAME, BOTH_NAME = (
    f"registry.example.com/{name}:1@{image.digest}"
    for name, image in (("one", ONE), ("two", TWO), ("both", BOTH))
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive.open(tmp_path / "archive")
    for image, name in ((ONE, ONE_NAME), (TWO, TWO_NAME), (BOTH, BOTH_NAME)):
        image.put_into(archive, name)
    return archive


def look(archive: Archive) -> Soundness:
    return examine(archive, hash_all(archive, Silent()), AMD64)


def flip(archive: Archive, digest: Digest) -> None:
    data = bytearray(archive.blob_path(digest).read_bytes())
    data[len(data) // 2] ^= 1
    archive.blob_path(digest).write_bytes(data)


def remove(archive: Archive, digest: Digest) -> None:
    archive.blob_path(digest).unlink()


def only_fault(archive: Archive) -> tuple[str, str, Digest, tuple[str, ...]]:
    (fault,) = look(archive).faults
    return fault.role, fault.state, fault.blob.digest, fault.names


def config_of(image: MadeImage) -> Digest:
    entry: dict[str, str] = image.document()["config"]  # type: ignore[assignment]
    return Digest.parse(entry["digest"])


def test_a_sound_archive(archive: Archive) -> None:
    found = look(archive)
    assert found.ok
    assert (found.blobs, found.names) == (len(list(archive.blobs.iterdir())), 3)
    assert found.size == sum(path.stat().st_size for path in archive.blobs.iterdir())


@pytest.mark.parametrize(("harm", "state"), [(flip, "damaged"), (remove, "missing")])
def test_each_kind_of_blob_is_named_with_the_images_that_need_it(
    archive: Archive, harm: Callable[[Archive, Digest], None], state: str
) -> None:
    for role, digest, names in (
        ("manifest", ONE.digest, (ONE_NAME,)),
        ("config", config_of(TWO), (TWO_NAME,)),
        ("layer", TWO.layers()[0], (TWO_NAME,)),
        ("layer", ONE.layers()[1], (ONE_NAME, TWO_NAME)),
        ("index", BOTH.digest, (BOTH_NAME,)),
    ):
        before = archive.blob_path(digest).read_bytes()
        harm(archive, digest)
        assert only_fault(archive) == (role, state, digest, names)
        archive.blob_path(digest).write_bytes(before)
    assert look(archive).ok


def test_a_child_of_an_index(archive: Archive) -> None:
    amd, arm = list(BOTH.manifests)[:2]
    remove(archive, arm)
    assert look(archive).ok  # nobody needs the images of all platforms
    (archive.path / SET_ASIDE).mkdir()
    (archive.path / SET_ASIDE / arm.hex).write_bytes(b"damaged")
    assert only_fault(archive) == ("manifest", "missing", arm, (BOTH_NAME,))  # but it was here
    (archive.path / SET_ASIDE / arm.hex).unlink()
    flip(archive, amd)
    assert only_fault(archive) == ("manifest", "damaged", amd, (BOTH_NAME,))
    remove(archive, amd)
    assert only_fault(archive) == ("manifest", "missing", amd, (BOTH_NAME,))  # one there must be


def test_a_truncated_blob_and_a_folder_in_a_blobs_place(archive: Archive) -> None:
    first, second = ONE.layers()[0], TWO.layers()[0]
    archive.blob_path(first).write_bytes(b"")
    remove(archive, second)
    archive.blob_path(second).mkdir()
    assert {(fault.blob.digest, fault.state) for fault in look(archive).faults} == {
        (first, "damaged"),
        (second, "damaged"),
    }


def test_a_damaged_blob_that_nothing_needs(archive: Archive) -> None:
    digest = archive.add_bytes(b"left over")
    assert look(archive).ok
    flip(archive, digest)
    assert only_fault(archive) == ("blob", "damaged", digest, ())


def test_other_files_beside_the_blobs_are_no_fault(archive: Archive) -> None:
    (archive.blobs / "README").write_text("hello")
    assert look(archive).ok


@pytest.mark.parametrize("wrong", ["size", "kind", "config"])
def test_what_points_at_a_blob_must_be_right_about_it(archive: Archive, wrong: str) -> None:
    if wrong == "config":
        config = Descriptor(
            "application/vnd.oci.image.config.v1+json", archive.add_bytes(b"not a config"), 12
        )
        data = canonical(
            {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.to_json(), "layers": []}
        )
        top = Descriptor(OCI_MANIFEST, archive.add_bytes(data), len(data))
        bad = config.digest
    else:
        top = Descriptor(
            BOTH.top.media_type if wrong == "kind" else OCI_MANIFEST,
            ONE.digest,
            ONE.top.size + (1 if wrong == "size" else 0),
        )
        bad = ONE.digest
    archive.keep(top, "other")
    assert only_fault(archive)[1:] == ("wrong", bad, ("other",))


def names(archive: Archive) -> dict[str, Digest]:
    return {name: top.digest for name, top in archive.refs()}


ALL = {ONE_NAME: ONE.digest, TWO_NAME: TWO.digest, BOTH_NAME: BOTH.digest}


def mend(archive: Archive, *known: str) -> None:
    rebuild(archive, hash_all(archive, Silent()), known, archive.path / SET_ASIDE)


def test_one_wrong_byte_in_the_list_of_names_spoils_one_name_at_most(archive: Archive) -> None:
    path = archive.path / "index.json"
    text = path.read_bytes()
    spoilt = 0
    for at in range(0, len(text), 23):
        path.write_bytes(text[:at] + b"\xff" + text[at + 1 :])
        found = look(archive)
        assert "index.json" in found.list_fault
        assert not found.faults
        mend(archive)
        assert look(archive).ok
        kept = names(archive)
        assert set(kept.values()) == set(ALL.values())
        assert len(kept.keys() & ALL.keys()) >= 2
        spoilt += kept.keys() != ALL.keys()
        assert (archive.path / SET_ASIDE / "index.json").exists()
    assert spoilt


def test_a_list_of_names_that_is_gone_is_made_from_what_projects_pin(archive: Archive) -> None:
    for harm in (Path.unlink, lambda path: path.write_bytes(b"")):
        harm(archive.path / "index.json")
        assert look(archive).list_fault
        mend(archive, ONE_NAME, TWO_NAME)
        assert names(archive) == {
            ONE_NAME: ONE.digest,
            TWO_NAME: TWO.digest,
            f"{RECOVERED}@{BOTH.digest}": BOTH.digest,
        }


def test_a_sound_list_of_names_is_left_alone(archive: Archive) -> None:
    before = (archive.path / "index.json").read_bytes()
    mend(archive)
    assert (archive.path / "index.json").read_bytes() == before
    assert not (archive.path / SET_ASIDE).exists()


def test_a_name_that_is_not_its_entrys_digest_is_not_taken_over(archive: Archive) -> None:
    path = archive.path / "index.json"
    index = json.loads(path.read_bytes())
    index["manifests"][0]["annotations"][REF_NAME] = BOTH_NAME
    path.write_text(json.dumps(index)[:-2])
    mend(archive)
    assert names(archive)[BOTH_NAME] == BOTH.digest
    assert names(archive)[f"{RECOVERED}@{ONE.digest}"] == ONE.digest


def test_an_empty_archive_has_nothing_wrong(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "new")
    assert look(archive) == NOTHING
    (archive.path / "index.json").unlink()
    assert look(archive).ok
