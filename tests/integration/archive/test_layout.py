"""The archive on a real disk."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.archive import savers
from buildbox.archive.files import ArchiveFull
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing, BlobRefused
from buildbox.digest import CHUNK, Digest
from buildbox.errors import ArchiveError, Exit
from buildbox.oci import OCI_MANIFEST, Descriptor

BIG = os.urandom(3 * CHUNK + 17)


def spoil(archive: Archive, digest: Digest, at: int = -1) -> None:
    """Changes one byte of a blob on disk."""
    data = bytearray(archive.blob_path(digest).read_bytes())
    data[at] ^= 1
    archive.blob_path(digest).write_bytes(data)


def test_a_new_archive_is_an_oci_layout(archive: Archive) -> None:
    assert json.loads((archive.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((archive.path / "index.json").read_bytes())
    assert (index["schemaVersion"], index["manifests"]) == (2, [])
    assert archive.blobs.is_dir()


def test_bytes_come_back(archive: Archive) -> None:
    digest = archive.add_bytes(BIG)
    assert digest == Digest.of(BIG)
    assert archive.has(digest)
    assert archive.size(digest) == len(BIG)
    assert archive.read(digest, len(BIG)) == BIG
    assert b"".join(archive.stream(digest)) == BIG
    assert archive.blob_path(digest).read_bytes() == BIG


def test_an_empty_blob(archive: Archive) -> None:
    digest = archive.add_bytes(b"")
    assert archive.read(digest, 0) == b""
    assert list(archive.stream(digest)) == []


def test_a_missing_blob(archive: Archive) -> None:
    digest = Digest.of(b"no")
    assert not archive.has(digest)
    for ask in (
        lambda: archive.read(digest, 10),
        lambda: archive.size(digest),
        lambda: list(archive.stream(digest)),
    ):
        with pytest.raises(BlobMissing, match=str(digest)):
            ask()


def test_a_damaged_blob_is_named_with_what_to_do(archive: Archive) -> None:
    digest = archive.add_bytes(b"precious")
    spoil(archive, digest)
    with pytest.raises(BlobDamaged) as caught:
        archive.read(digest, 100)
    assert caught.value.exit == Exit.ARCHIVE
    assert str(digest) in caught.value.reason
    assert str(archive.blob_path(digest)) in caught.value.hint


@pytest.mark.parametrize("at", [0, CHUNK + 1, -1])
def test_a_damaged_stream_never_ends(archive: Archive, at: int) -> None:
    digest = archive.add_bytes(BIG)
    spoil(archive, digest, at)
    got = 0
    with pytest.raises(BlobDamaged):
        for chunk in archive.stream(digest):
            got += len(chunk)
    assert got < len(BIG)


def test_a_truncated_blob_is_damaged(archive: Archive) -> None:
    digest = archive.add_bytes(BIG)
    os.truncate(archive.blob_path(digest), CHUNK)
    assert not archive.is_sound(digest)
    with pytest.raises(BlobDamaged):
        list(archive.stream(digest))


def test_what_is_damaged_is_replaced_when_it_comes_again(archive: Archive) -> None:
    digest = archive.add_bytes(b"precious")
    spoil(archive, digest)
    archive.add_bytes(b"precious")
    assert archive.read(digest, 100) == b"precious"


def test_a_folder_in_a_blobs_place_is_damage(archive: Archive) -> None:
    digest = Digest.of(b"x")
    archive.blob_path(digest).mkdir()
    assert not archive.has(digest)
    with pytest.raises(BlobDamaged):
        archive.read(digest, 10)


def test_a_limit_holds(archive: Archive) -> None:
    digest = archive.add_bytes(b"12345")
    with pytest.raises(ArchiveError, match="larger than the 4"):
        archive.read(digest, 4)
    with pytest.raises(ArchiveError, match="has 5 bytes"):
        archive.read(Descriptor("x", digest, 3), 10)


def test_a_writer_takes_bytes_in_parts(archive: Archive) -> None:
    with archive.ingest() as writer:
        writer.write(b"ab")
        writer.write(memoryview(b"c"))
    assert (writer.digest, writer.size) == (Digest.of(b"abc"), 3)
    assert archive.read(writer.digest, 3) == b"abc"


@pytest.mark.parametrize(
    ("expected", "size"), [(Digest.of(b"other"), None), (None, 2), (None, 4), (Digest.of(b"abc"), 4)]
)
def test_what_was_not_announced_is_not_kept(
    archive: Archive, expected: Digest | None, size: int | None
) -> None:
    with pytest.raises(BlobRefused), archive.ingest(expected, size) as writer:
        writer.write(b"abc")
    assert list(archive.blobs.iterdir()) == []
    assert list((archive.path / "ingest").iterdir()) == []


def test_a_failed_writer_leaves_nothing(archive: Archive) -> None:
    with pytest.raises(ZeroDivisionError), archive.ingest() as writer:
        writer.write(b"abc")
        raise ZeroDivisionError
    assert list(archive.blobs.iterdir()) == []
    assert list((archive.path / "ingest").iterdir()) == []


def test_a_dead_writers_file_is_removed_and_a_living_ones_is_not(archive: Archive) -> None:
    (archive.path / "ingest").mkdir(exist_ok=True)
    (archive.path / "ingest" / "dead").write_bytes(b"half")
    with archive.ingest() as first:
        assert not (archive.path / "ingest" / "dead").exists()
        first.write(b"first")
        archive.add_bytes(b"second")
        first.write(b" still")
    assert archive.read(first.digest, 100) == b"first still"


def kept(archive: Archive, data: bytes) -> Descriptor:
    return Descriptor(OCI_MANIFEST, archive.add_bytes(data), len(data))


def test_names_are_kept_in_order_and_once(archive: Archive) -> None:
    one, two = kept(archive, b"1"), kept(archive, b"2")
    archive.keep(one, "a")
    archive.keep(two, "b")
    archive.keep(one, "c")
    archive.keep(two, "a")
    assert [(name, found.digest) for name, found in Archive.open(archive.path).refs()] == [
        ("b", two.digest),
        ("c", one.digest),
        ("a", two.digest),
    ]


def test_a_name_needs_its_blob(archive: Archive) -> None:
    with pytest.raises(BlobMissing):
        archive.keep(Descriptor(OCI_MANIFEST, Digest.of(b"no"), 2), "a")


def test_other_tools_entries_stay(archive: Archive) -> None:
    path = archive.path / "index.json"
    foreign = {"mediaType": "x/y", "digest": str(Digest.of(b"")), "size": 0, "artifactType": "z", "data": ""}
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": [foreign], "annotations": {"k": "v"}}))
    archive.keep(kept(archive, b"1"), "a")
    index = json.loads(path.read_bytes())
    assert index["manifests"][0] == foreign
    assert index["annotations"] == {"k": "v"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"manifests": 1}', '{"manifests": [1]}'])
def test_a_broken_index_is_named(archive: Archive, text: str) -> None:
    (archive.path / "index.json").write_text(text)
    with pytest.raises(ArchiveError, match=r"index\.json"):
        archive.refs()


def test_a_lost_index_loses_names_only(archive: Archive) -> None:
    one = kept(archive, b"1")
    (archive.path / "index.json").unlink()
    assert archive.refs() == ()
    archive.keep(one, "a")
    assert len(archive.refs()) == 1


@pytest.mark.parametrize(
    ("text", "words"), [('{"imageLayoutVersion": "9.0.0"}', "9.0.0"), ("{}", "damaged"), ("", "damaged")]
)
def test_an_unknown_layout_is_refused(archive: Archive, text: str, words: str) -> None:
    (archive.path / "oci-layout").write_text(text)
    with pytest.raises(ArchiveError, match=words) as caught:
        Archive.open(archive.path)
    assert caught.value.exit == Exit.ARCHIVE


def test_a_layout_file_written_by_another_tool_is_read(archive: Archive) -> None:
    (archive.path / "oci-layout").write_text('{ "imageLayoutVersion" : "1.0.0" }\n')
    Archive.open(archive.path)


def test_no_archive_is_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        Archive.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_half_made_archive_is_completed(archive: Archive) -> None:
    one = kept(archive, b"1")
    archive.keep(one, "a")
    (archive.path / "oci-layout").unlink()
    assert len(Archive.open(archive.path).refs()) == 1
    assert (archive.path / "oci-layout").exists()


def mount(kind: str, options: str, where: Path) -> None:
    where.mkdir()
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(where)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB."""
    where = tmp_path / "small"
    mount("tmpfs", "size=1m", where)
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_full_disk_is_one_clear_error(small_disk: Path) -> None:
    archive = Archive.open(small_disk / "archive")
    one = kept(archive, b"1")
    with pytest.raises(ArchiveFull, match="no space left") as caught, archive.ingest() as writer:
        for _ in range(10):
            writer.write(BIG)
    assert caught.value.exit == Exit.ARCHIVE
    assert str(small_disk) in caught.value.reason
    assert [path.name for path in archive.blobs.iterdir()] == [one.digest.hex]
    assert list((archive.path / "ingest").iterdir()) == []
    archive.keep(one, "fits")


def test_names_survive_a_full_disk(small_disk: Path) -> None:
    archive = Archive.open(small_disk / "archive")
    one = kept(archive, b"1")
    archive.keep(one, "before")
    with open(small_disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError, match="space"):
        while True:
            filler.write(bytes(4096))
    with pytest.raises(ArchiveFull):
        archive.keep(one, "after " * 1000)
    assert [name for name, _ in archive.refs()] == ["before"]


def test_an_archive_that_is_read_only_can_be_read(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    one = kept(archive, b"1")
    archive.keep(one, "a")
    savers.end(archive.path)
    subprocess.run(["mount", "--bind", str(archive.path), str(archive.path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(archive.path)], check=True)
        again = Archive.open(archive.path)
        assert again.read(one.digest, 1) == b"1"
        assert len(again.refs()) == 1
        assert again.claim(one.digest)
        assert not again.claim(Digest.of(b"2"))
        assert again.add_bytes(b"1") == one.digest
        for write in (lambda: again.add_bytes(b"2"), lambda: again.keep(one, "b")):
            with pytest.raises(ArchiveError, match="can't be written"):
                write()
    finally:
        subprocess.run(["umount", "-l", str(archive.path)], check=True)


def test_a_place_where_no_archive_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="can't be written"):
        Archive.open(tmp_path / "file" / "archive")
