"""How outputs differ from the original ones, and where these are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result
from buildbox.archive.statements import keep_statement
from buildbox.execute import Outcome
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.build import Built
from buildbox.rebuilding.explaining import explain, find_originals
from buildbox.rebuilding.verdict import Verdict, judge
from tests.support.results import keep, write_outputs
from tests.support.statements import a_statement

BEFORE = {"dist/one": b"one\n", "dist/two": b"two\n", "dist/same": b"same\n"}
NOW = {"dist/one": b"1\n", "dist/two": b"2\n", "dist/same": b"same\n"}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def result(archive: Archive, scratch: Path) -> Result:
    return keep(archive, scratch, outputs=BEFORE)


@pytest.fixture
def statement(result: Result) -> Statement:
    return replace(a_statement(outputs=result.entries), fingerprint=result.fingerprint)


@pytest.fixture
def verdict(statement: Statement, tmp_path: Path) -> Verdict:
    entries = write_outputs(tmp_path / "built", NOW)
    return judge(statement, Built(Outcome(0, 1.0), tuple(entries), tmp_path / "built"))


def test_originals_come_from_the_artifact_the_project_and_the_archive(
    verdict: Verdict, statement: Statement, archive: Archive, scratch: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "renamed"
    artifact.write_bytes(b"one\n")
    write_outputs(tmp_path / "project", {"dist/one": b"changed since\n", "dist/two": b"two\n"})
    places = [artifact, tmp_path / "project"]
    found = find_originals(verdict, statement, archive, places, scratch / "none")
    assert found == {"dist/one": artifact, "dist/two": tmp_path / "project/dist/two"}
    found = find_originals(verdict, statement, archive, [artifact], scratch / "unpacked")
    assert found == {"dist/one": artifact, "dist/two": scratch / "unpacked/dist/two"}
    assert found["dist/two"].read_bytes() == b"two\n"


def test_an_older_result_of_the_same_build_will_do(
    verdict: Verdict, statement: Statement, archive: Archive, result: Result, scratch: Path
) -> None:
    data = statement_bytes(statement)
    keep_statement(archive, data, fingerprint=result.fingerprint, result=result.manifest, now=1.0)
    keep(archive, scratch, outputs=NOW)
    found = find_originals(verdict, statement, archive, [], scratch / "unpacked")
    assert found["dist/one"].read_bytes() == b"one\n"


def test_there_may_be_none(
    verdict: Verdict, statement: Statement, archive: Archive, result: Result, scratch: Path, tmp_path: Path
) -> None:
    archive.blob_path(result.outputs.digest).unlink()
    assert find_originals(verdict, statement, archive, [tmp_path, tmp_path / "gone"], scratch / "x") == {}


def test_what_differs_is_told_of_each(
    verdict: Verdict, statement: Statement, archive: Archive, scratch: Path, tmp_path: Path
) -> None:
    originals = find_originals(verdict, statement, archive, [], scratch / "unpacked")
    originals["dist/one"].chmod(0o600)
    why = {output.path: output.why for output in explain(verdict, originals, tmp_path / "built").outputs}
    assert why["dist/same"] == ()
    (finding,) = why["dist/one"]
    assert finding.line == 'one: line 1: "1" instead of "one"'
