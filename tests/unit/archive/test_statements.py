from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.marks import FOLDER, all_marks
from buildbox.archive.statements import (
    all_statements,
    find_statements,
    keep_statement,
    set_kept,
    statements_of,
)
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.oci import OCI_MANIFEST
from buildbox.provenance.form import statement_bytes
from tests.support.kept_statements import A_FILE, envelope_of, keep
from tests.support.results import NOW
from tests.support.statements import a_statement

RESULT = Digest.of(b"a result's manifest")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


def test_what_is_kept_is_found_by_what_ran_and_by_what_came_out(archive: Archive) -> None:
    kept = keep(archive, NOW + 0.1234, result=RESULT)
    assert (kept.result, kept.envelope, kept.created, kept.kept) == (RESULT, None, NOW + 0.123, False)
    assert statements_of(archive, kept.fingerprint) == (kept,)
    assert find_statements(archive, A_FILE) == (kept,)
    assert tuple(all_statements(archive)) == (kept,)


def test_what_isnt_a_subject_finds_nothing_though_the_statement_has_its_digest(archive: Archive) -> None:
    kept = keep(archive)
    assert Digest.of(b"log").hex.encode() in kept.data
    assert find_statements(archive, Digest.of(b"log")) == ()
    assert statements_of(archive, Digest.of(b"log")) == ()


def test_the_newest_is_first_whatever_was_kept_first(archive: Archive) -> None:
    kept = [keep(archive, NOW + day, run=f"run {day}") for day in (1, 3, 2)]
    newest_first = (kept[1], kept[2], kept[0])
    assert statements_of(archive, kept[0].fingerprint) == newest_first
    assert find_statements(archive, A_FILE) == newest_first
    assert tuple(all_statements(archive)) == newest_first


def test_statements_on_others_arent_those_of_this_one(archive: Archive) -> None:
    one, two = keep(archive), keep(archive, NOW + 1, inputs=Digest.of(b"others"))
    assert statements_of(archive, one.fingerprint) == (one,)
    assert find_statements(archive, A_FILE) == (two, one)


def test_a_statement_is_an_artifact_that_other_tools_can_read(archive: Archive) -> None:
    kept = keep(archive, NOW + 0.25, result=RESULT)
    signed = keep(archive, envelope=envelope_of(kept.data))
    value = json.loads(archive.blob_path(signed.manifest).read_bytes())
    assert (value["mediaType"], value["artifactType"]) == (
        OCI_MANIFEST,
        "application/vnd.buildbox.provenance.v1",
    )
    assert value["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert [layer["mediaType"] for layer in value["layers"]] == [
        "application/vnd.in-toto+json",
        "application/vnd.dsse.envelope.v1+json",
    ]
    assert [layer["digest"] for layer in value["layers"]] == [
        str(Digest.of(each)) for each in (signed.data, signed.envelope or b"")
    ]
    assert value["annotations"] == {
        "buildbox.result.fingerprint": str(kept.fingerprint),
        "buildbox.provenance.result": str(RESULT),
        "org.opencontainers.image.created": "2023-11-14T22:13:20.250Z",
    }
    assert archive.refs() == ()


def test_a_signed_one_takes_the_place_of_the_same_unsigned_and_not_the_other_way(archive: Archive) -> None:
    bare = keep(archive, NOW, result=RESULT)
    signed = keep(archive, NOW + 5, envelope=envelope_of(bare.data))
    assert (signed.envelope, signed.created, signed.result) == (envelope_of(bare.data), NOW, RESULT)
    assert tuple(all_statements(archive)) == (signed,)
    assert keep(archive, NOW + 9) == signed
    other = envelope_of(bare.data, "YW5vdGhlcg==")
    assert keep(archive, NOW + 9, envelope=other).envelope == other
    assert [found.envelope for found in all_statements(archive)] == [other]


def test_what_is_to_stay_stays_when_it_is_kept_again(archive: Archive) -> None:
    assert not keep(archive).kept
    kept = keep(archive, keep=True)
    assert kept.kept
    assert keep(archive) == kept
    assert tuple(all_statements(archive)) == (kept,)


def test_whether_it_stays_can_be_changed_and_changes_nothing_else(archive: Archive) -> None:
    older, kept = keep(archive, NOW - 1, run="older"), keep(archive, NOW)
    for stays in (True, True, False):
        set_kept(archive, kept.manifest, stays)
        found = tuple(all_statements(archive))
        assert [each.kept for each in found] == [stays, False]
        assert [each.manifest for each in found] == [kept.manifest, older.manifest]


def test_one_that_isnt_there_cant_be_told_to_stay(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="no statement"):
        set_kept(archive, RESULT, True)


def test_the_envelope_holds_the_statement(archive: Archive) -> None:
    for envelope in (envelope_of(b"{}"), b"{}", b"no JSON"):
        with pytest.raises(ValueError, match="envelope"):
            keep(archive, envelope=envelope)
    assert all_marks(archive) == ()


@pytest.mark.parametrize("part", ["manifest", "statement", "envelope"])
@pytest.mark.parametrize("how", ["gone", "changed", "cut short"])
def test_one_that_is_damaged_is_passed_over_and_mended_by_keeping_it_again(
    archive: Archive, part: str, how: str
) -> None:
    whole = keep(archive, NOW + 1, run="another")
    kept = keep(archive, NOW, envelope=envelope_of(keep(archive, NOW, keep=True).data))
    digests = {
        "manifest": kept.manifest,
        "statement": Digest.of(kept.data),
        "envelope": Digest.of(kept.envelope or b""),
    }
    path = archive.blob_path(digests[part])
    data = path.read_bytes()
    path.unlink() if how == "gone" else path.write_bytes(data[:-1] + (b"!" if how == "changed" else b""))
    assert tuple(all_statements(archive)) == (whole,)
    assert find_statements(archive, A_FILE) == (whole,)
    assert statements_of(archive, kept.fingerprint) == (whole,)
    assert keep(archive, NOW, envelope=kept.envelope) == kept
    assert tuple(all_statements(archive)) == (whole, kept)


@pytest.mark.parametrize("text", [b"", b"\xff\n", b"sha256:" + b"0" * 64 + b"\n", b"x" * 1000])
def test_a_mark_that_says_something_else_is_passed_over(archive: Archive, text: bytes) -> None:
    kept = keep(archive)
    (path,) = (archive.path / FOLDER).iterdir()
    path.write_bytes(text)
    assert tuple(all_statements(archive)) == ()
    assert find_statements(archive, A_FILE) == ()
    assert keep(archive) == kept
    assert tuple(all_statements(archive)) == (kept,)


def test_a_mark_by_another_name_doesnt_make_it_anothers_statement(archive: Archive) -> None:
    kept = keep(archive)
    (path,) = (archive.path / FOLDER).iterdir()
    path.rename(path.with_name(f"{'0' * 64}.{kept.manifest.hex}"))
    assert statements_of(archive, Digest("0" * 64)) == ()


def test_what_else_is_in_the_folder_is_left_alone(archive: Archive) -> None:
    kept = keep(archive)
    (archive.path / FOLDER / "notes").write_text("mine")
    (archive.path / FOLDER / f"{'1' * 64}.{'2' * 64}").mkdir()
    assert [mark.manifest for mark in all_marks(archive)] == [kept.manifest]
    assert tuple(all_statements(archive)) == (kept,)


def test_a_statement_of_a_newer_format_is_kept_as_it_is(archive: Archive) -> None:
    data = json.dumps({"subject": [{"digest": {"sha256": A_FILE.hex}}], "novelty": 1}).encode()
    kept = keep_statement(archive, data, fingerprint=RESULT, result=None, now=NOW)
    assert find_statements(archive, A_FILE) == (kept,)


def test_an_archive_that_was_copied_without_its_times_still_has_them(archive: Archive) -> None:
    kept = keep(archive)
    for path in (archive.path / FOLDER).iterdir():
        os.utime(path, (1, 1))
    assert [found.created for found in all_statements(archive)] == [kept.created]


def test_an_envelope_may_have_either_base64(archive: Archive) -> None:
    project = "~~~???"  # whose base64 has what the other one writes otherwise
    value = json.loads(envelope_of(statement_bytes(a_statement(project=project))))
    other = value["payload"].translate(str.maketrans("+/", "-_"))
    assert other != value["payload"]
    kept = keep(archive, project=project, envelope=json.dumps({**value, "payload": other}).encode())
    assert statements_of(archive, kept.fingerprint) == (kept,)
