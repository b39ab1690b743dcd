from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.left import Needs, needs_of_kept, take_results, take_statements
from buildbox.archive.statements import keep_statement, set_kept
from buildbox.archive.stock import RESULT, STATEMENT
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.provenance.statement import Need, UsedImage
from tests.support import results
from tests.support.kept_statements import envelope_of, keep
from tests.support.results import NOW, document
from tests.support.statements import PIN, PLATFORM

BUILT, NEEDED = Digest.of(b"what was built"), Digest.of(b"result")  # manifests of results


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


def test_what_is_to_stay_needs_its_images_its_result_and_those_it_needed(archive: Archive) -> None:
    keep(archive, keep=True, result=BUILT)
    x = Digest.of(b"x")
    other = UsedImage(f"registry.example.com/x:1@{x}", None, x, Digest.of(b"y"), PLATFORM)
    mounted = Need("mounted", Digest.of(b"tree"))
    keep(archive, NOW + 1, keep=True, image=other, needs=(mounted,))
    assert needs_of_kept(archive) == Needs(
        frozenset({PIN, Digest.of(b"manifest"), x}), frozenset({BUILT, NEEDED})
    )


def test_what_isnt_to_stay_needs_nothing(archive: Archive) -> None:
    assert needs_of_kept(archive) == Needs()
    kept = keep(archive, result=BUILT)
    assert needs_of_kept(archive) == Needs()
    set_kept(archive, kept.manifest, True)
    assert BUILT in needs_of_kept(archive).all
    set_kept(archive, kept.manifest, False)
    assert needs_of_kept(archive) == Needs()


def test_needs_that_cant_be_told_are_an_error_that_says_what_to_do(archive: Archive) -> None:
    newer = keep_statement(
        archive, b'{"subject": []}', fingerprint=BUILT, result=None, now=NOW, keep=True
    ).manifest
    with pytest.raises(ArchiveError, match="type of statement") as caught:
        needs_of_kept(archive)
    assert "a newer one" in caught.value.hint
    assert f"buildbox log --no-keep {newer.short}" in caught.value.hint
    archive.blob_path(newer).unlink()
    with pytest.raises(ArchiveError, match="lacks the blob") as caught:
        needs_of_kept(archive)
    assert "buildbox archive check --repair" in caught.value.hint


def test_statements_are_stock_oldest_first(archive: Archive) -> None:
    newer, older = keep(archive, NOW), keep(archive, NOW - 5, run="older", keep=True)
    signed = keep(archive, NOW, envelope=envelope_of(newer.data))
    one, two = take_statements(archive)
    assert [kept.names for kept in (one, two)] == [
        (f"provenance@{older.manifest}",),
        (f"provenance@{signed.manifest}",),
    ]
    assert (one.kind, one.step, one.signed, one.damage, one.missing) == (STATEMENT, "package", False, "", 0)
    assert (two.signed, two.mark and two.mark.kept, one.mark and one.mark.kept) == (True, False, True)
    parts = (signed.data, signed.envelope or b"", b"{}", archive.blob_path(signed.manifest).read_bytes())
    assert dict(two.blobs) == {Digest.of(part): len(part) for part in parts}


def test_a_damaged_statement_still_has_what_is_left_of_it(archive: Archive) -> None:
    kept = keep(archive)
    archive.blob_path(Digest.of(kept.data)).unlink()
    (found,) = take_statements(archive)
    assert (found.missing, "lacks the blob" in found.damage, found.step) == (1, True, "")
    archive.blob_path(kept.manifest).write_bytes(b"{}")
    (found,) = take_statements(archive)
    assert (dict(found.blobs), "other bytes" in found.damage) == ({}, True)


def test_a_result_whose_place_another_took_is_there_while_it_is_needed(
    archive: Archive, tmp_path: Path
) -> None:
    first = results.keep(archive, tmp_path, 1)
    second = results.keep(archive, tmp_path, 1, {"other": b"other"}, now=NOW + 1)
    gone = Digest.of(b"gone")
    assert [kept.top.digest for kept in take_results(archive)] == [second.manifest]
    found, replaced = take_results(archive, {first.manifest, second.manifest, gone})
    assert found.names == (f"result@{document(1)[0]}",)
    assert (replaced.kind, replaced.names, replaced.step, replaced.damage) == (RESULT, (), "build", "")
    assert first.outputs.digest in replaced.blobs
    archive.blob_path(first.outputs.digest).unlink()
    assert take_results(archive, {first.manifest})[1].missing == 1
    archive.blob_path(first.manifest).write_bytes(b"{}")
    assert dict(take_results(archive, {first.manifest})[1].blobs) == {}
