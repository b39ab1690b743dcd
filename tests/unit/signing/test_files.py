from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from buildbox.errors import UsageError
from buildbox.provenance.form import statement_bytes
from buildbox.signing.envelope import sign
from buildbox.signing.files import beside, read_statement_file
from buildbox.signing.keys import generate, load_private
from tests.support.statements import a_statement

STATEMENT = statement_bytes(a_statement())


def signed(folder: Path, payload: bytes = STATEMENT) -> bytes:
    generate(folder / "key", None)
    return sign(payload, load_private(folder / "key", None))


def test_its_name_is_the_artifacts_and_more(tmp_path: Path) -> None:
    assert beside(tmp_path / "a.tar.gz") == tmp_path / "a.tar.gz.intoto.jsonl"


def test_each_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    envelope = signed(tmp_path)
    pretty = json.dumps(json.loads(STATEMENT), indent=2).encode()
    for data, expected in (
        (STATEMENT, (STATEMENT, None)),
        (STATEMENT + b"\n", (STATEMENT, None)),
        (pretty + b"\n\n", (pretty, None)),
        (envelope + b"\n", (STATEMENT, envelope)),
        (json.dumps(json.loads(envelope), indent=2).encode(), None),
    ):
        path.write_bytes(data)
        assert read_statement_file(path) == (expected or (STATEMENT, data))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "isn't JSON"),
        (b"PK\x03\x04", "isn't JSON"),
        (b"\xff\xfe", "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"[1]", "holds no statement"),
        (b"{}", "holds no statement"),
        (b"{}\n{}\n", "holds 2 documents"),
        (b"{}\n{", "isn't JSON"),
        (STATEMENT[:-1], "isn't JSON"),
        (b'{"payloadType": "text/plain"}', "a signed document of another kind"),
        (b'{"payloadType": "application/vnd.in-toto+json"}', "a damaged envelope"),
    ],
)
def test_what_is_no_statement(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(UsageError, match=says):
        read_statement_file(tmp_path / "file")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 30)
    for name, says in (
        ("none", "there is no file"),
        ("pipe", "is no file"),
        (".", "can't be read"),
        ("large", "too"),
    ):
        with pytest.raises(UsageError, match=says):
            read_statement_file(tmp_path / name)
