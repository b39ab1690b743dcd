from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import Mismatch, UsageError
from buildbox.provenance.statement import Statement
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.verifying.artifact import check_artifact, look
from tests.support.statements import a_statement

SITE = (
    Entry("out/site/empty", FOLDER, "", 0),
    Entry("out/site/index.html", FILE, Digest.of(b"index").hex, 5),
    Entry("out/site/js/a.js", FILE, Digest.of(b"a").hex, 1),
    Entry("out/site/js/latest", LINK, Digest.of(b"a.js").hex, 4),
    Entry("out/tool", PROGRAM, Digest.of(b"tool").hex, 4),
)


@pytest.fixture
def statement() -> Statement:
    return a_statement(outputs=SITE)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "empty").mkdir(parents=True)
    (folder / "js").mkdir()
    (folder / "index.html").write_bytes(b"index")
    (folder / "js" / "a.js").write_bytes(b"a")
    (folder / "js" / "latest").symlink_to("a.js")
    return folder


def refused(path: Path, statement: Statement) -> Mismatch:
    with pytest.raises(Mismatch) as caught:
        check_artifact(look(path), statement, "it")
    return caught.value


def test_a_file_under_any_name(tmp_path: Path, statement: Statement) -> None:
    (tmp_path / "renamed").write_bytes(b"tool")
    artifact = look(tmp_path / "renamed")
    assert artifact.subject == Digest.of(b"tool")
    assert check_artifact(artifact, statement, "it") == "out/tool"
    (tmp_path / "link").symlink_to("renamed")
    assert check_artifact(look(tmp_path / "link"), statement, "it") == "out/tool"


def test_of_several_with_its_bytes_the_one_of_its_name(tmp_path: Path) -> None:
    same = tuple(Entry(path, FILE, Digest.of(b"x").hex, 1) for path in ("a/one", "b/two"))
    (tmp_path / "two").write_bytes(b"x")
    assert check_artifact(look(tmp_path / "two"), a_statement(outputs=same), "it") == "b/two"


def test_other_bytes(tmp_path: Path, statement: Statement) -> None:
    (tmp_path / "tool").write_bytes(b"tooL")
    error = refused(tmp_path / "tool", statement)
    assert error.reason == f"{tmp_path}/tool isn't the file that it tells of: its bytes are others"
    assert error.hint.splitlines() == [
        f"{Digest.of(b'tool')}  out/tool in the statement",
        f"{Digest.of(b'tooL')}  {tmp_path}/tool",
    ]


def test_of_several_of_its_name_the_nearest_is_told_first(tmp_path: Path) -> None:
    outputs = tuple(Entry(f"out/{n}/index.html", FILE, Digest.of(b"x").hex, 1) for n in range(9))
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "index.html").write_bytes(b"y")
    hint = refused(tmp_path / "7" / "index.html", a_statement(outputs=outputs)).hint
    assert "out/7/index.html" in hint.splitlines()[0]
    assert len(hint.splitlines()) == 6


def test_another_file(tmp_path: Path, statement: Statement) -> None:
    (tmp_path / "other").write_bytes(b"a.js")  # what a link says is no file of these bytes
    error = refused(tmp_path / "other", statement)
    assert error.reason == f"it isn't one of {tmp_path}/other"
    assert error.hint == "What it tells of: out/site/index.html, out/site/js/a.js, out/tool"


def test_a_folder(site: Path, statement: Statement) -> None:
    (site / "index.html.intoto.jsonl").touch()  # what is said of outputs is none
    artifact = look(site)
    assert artifact.subject == Digest.of(b"index")
    assert check_artifact(artifact, statement, "it") == "out/site"
    assert check_artifact(look(site.rename(site.parent / "www")), statement, "it") == "out/site"


def test_a_folder_in_it(site: Path, statement: Statement) -> None:
    assert check_artifact(look(site / "js"), statement, "it") == "out/site/js"
    assert check_artifact(look(site / "empty"), statement, "it") == "out/site/empty"
    assert look(site / "empty").subject is None


def test_all_that_is_different_in_a_folder(site: Path, statement: Statement) -> None:
    (site / "index.html").write_bytes(b"indeX")
    (site / "empty" / "new").touch()
    (site / "js" / "latest").unlink()
    error = refused(site, statement)
    assert error.reason == f"{site}/ isn't the folder out/site that it tells of"
    assert error.hint.splitlines() == [
        "different: index.html",
        "missing: empty, js/latest",
        "not in the statement: empty/new",
    ]


def test_a_link_is_no_file_of_the_same_bytes(site: Path, statement: Statement) -> None:
    (site / "js" / "latest").unlink()
    (site / "js" / "latest").write_bytes(b"a.js")
    assert refused(site, statement).hint == "different: js/latest"


def test_another_folder(tmp_path: Path, statement: Statement) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.js").write_bytes(b"a.js")
    assert refused(tmp_path / "docs", statement).reason == f"it isn't one of the folder {tmp_path}/docs/"


def test_what_is_neither(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is neither a file nor a folder"):
        look(tmp_path / "pipe")
    with pytest.raises(UsageError, match="there is no file"):
        look(tmp_path / "none")


def test_a_statement_that_the_task_itself_has_made_is_an_output(tmp_path: Path) -> None:
    outputs = tuple(
        Entry(f"out/{name}", FILE, Digest.of(name.encode()).hex, 1) for name in ("a", "a.intoto.jsonl")
    )
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a", "a.intoto.jsonl"):
        (folder / name).write_text(name)
    assert check_artifact(look(folder), a_statement(outputs=outputs), "it") == "out"
    (folder / "b.intoto.jsonl").touch()
    (folder / "a.intoto.jsonl").write_text("changed")
    assert refused(folder, a_statement(outputs=outputs)).hint == "different: a.intoto.jsonl"
