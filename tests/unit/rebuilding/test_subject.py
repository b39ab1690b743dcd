"""Which statements something can be made again by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.statements import keep_statement
from buildbox.digest import Digest
from buildbox.errors import CantTell, Mismatch, UsageError
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Source, Statement
from buildbox.rebuilding.subject import find_subject
from buildbox.signing.files import beside
from buildbox.trees.entry import FILE, Entry
from tests.support.statements import a_statement, a_step

DIGEST = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of b"a"


def of(path: str = "dist/a.bin", **changes: Any) -> Statement:
    """A statement by which a file with "a" came out at `path`."""
    return a_statement(outputs=(Entry(path, FILE, DIGEST, 1),), **changes)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "project/dist/a.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a")
    return path


def keep(archive: Archive, statement: Statement, now: float = 1.0) -> None:
    data = statement_bytes(statement)
    keep_statement(archive, data, fingerprint=statement.fingerprint, result=None, now=now)


def found(path: Path, archive: Archive) -> list[Statement]:
    return [chosen.statement for chosen in find_subject(path, archive).chosen]


def test_a_statement_by_its_name_or_by_what_is_in_it(
    archive: Archive, tmp_path: Path, artifact: Path
) -> None:
    for name in ("x.intoto.jsonl", "x.json"):
        path = tmp_path / name
        path.write_bytes(statement_bytes(of()))
        assert found(path, archive) == [of()]
    beside(artifact).write_bytes(statement_bytes(of()))
    assert find_subject(beside(artifact), archive).artifact == artifact


def test_what_lies_beside_an_artifact_comes_before_the_archive(archive: Archive, artifact: Path) -> None:
    keep(archive, of(run="kept"))
    beside(artifact).write_bytes(statement_bytes(of(run="beside")))
    subject = find_subject(artifact, archive)
    assert [chosen.statement.run for chosen in subject.chosen] == ["beside"]
    assert subject.artifact == artifact


def test_what_tells_of_other_bytes_counts_only_where_nothing_else_does(
    archive: Archive, artifact: Path
) -> None:
    beside(artifact).write_bytes(
        statement_bytes(a_statement(outputs=(Entry("dist/a.bin", FILE, "0" * 64, 1),)))
    )
    with pytest.raises(Mismatch):
        find_subject(artifact, archive)
    keep(archive, of())
    assert found(artifact, archive) == [of()]


def test_those_that_claim_most_first_and_of_these_the_newest(archive: Archive, artifact: Path) -> None:
    dirty = Source("1" * 40, "2" * 40, False)
    keep(archive, of(source=Source("4" * 40, "2" * 40, True)), now=1.0)
    keep(archive, of(source=Source("5" * 40, "2" * 40, True)), now=2.0)
    keep(archive, of(source=dirty), now=3.0)
    commits = [statement.source and statement.source.commit[0] for statement in found(artifact, archive)]
    assert commits == ["5", "4", "1"]


def test_what_was_built_last_comes_first_whatever_it_claims(archive: Archive, artifact: Path) -> None:
    """Whoever mends what --vary found, and asks again before it is committed, asks about that."""
    before = of()
    mended = of(step=a_step(argv=("make", "mended")), source=Source("1" * 40, "2" * 40, False))
    assert before.fingerprint != mended.fingerprint
    keep(archive, before, now=1.0)
    keep(archive, mended, now=2.0)
    assert found(artifact, archive) == [mended, before]


def test_the_same_rebuild_is_tried_once(archive: Archive, artifact: Path) -> None:
    keep(archive, of(run="first"), now=1.0)
    keep(archive, of(run="second"), now=2.0)
    assert [statement.run for statement in found(artifact, archive)] == ["second"]


def test_of_builds_with_the_same_bytes_those_that_call_them_so(archive: Archive, artifact: Path) -> None:
    keep(archive, of("other/b.bin"), now=3.0)
    keep(archive, of(step=a_step(network="bridge")), now=1.0)
    assert [statement.outputs[0].path for statement in found(artifact, archive)] == ["dist/a.bin"]
    moved = artifact.rename(artifact.with_name("c"))
    assert len(found(moved, archive)) == 2


def test_what_nobody_knows(archive: Archive, artifact: Path) -> None:
    with pytest.raises(CantTell, match=r"no statement tells of .*a\.bin") as caught:
        find_subject(artifact, archive)
    assert any(DIGEST in line for line in caught.value.missing)
    assert "--statement" not in caught.value.hint
    with pytest.raises(UsageError, match="there is no file"):
        find_subject(artifact.with_name("b"), archive)


def test_a_statement_that_was_changed(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "x.intoto.jsonl"
    path.write_bytes(statement_bytes(replace(of(), inputs=Digest.of(b"others"))))
    with pytest.raises(Mismatch, match="changed"):
        find_subject(path, archive)
