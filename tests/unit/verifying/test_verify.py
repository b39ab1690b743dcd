"""What is believed of an artifact, and why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.statements import keep_statement
from buildbox.digest import Digest
from buildbox.errors import BuildboxError, CantTell, Exit, Mismatch, UsageError
from buildbox.provenance.form import statement_bytes
from buildbox.signing.envelope import sign
from buildbox.signing.files import beside
from buildbox.signing.keys import PrivateKey, generate, load_private
from buildbox.verifying.verify import Given, Trust, Verified, hold_against, verify_artifact
from tests.support.statements import a_statement

STATEMENT = a_statement()
DATA = statement_bytes(STATEMENT)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[PrivateKey]:
    folder = tmp_path_factory.mktemp("keys")
    made = [
        generate(folder / name, None) and load_private(folder / name, None) for name in ("mine", "theirs")
    ]
    return [key for key in made if key]


@pytest.fixture
def trust(keys: list[PrivateKey]) -> Trust:
    return Trust((keys[0].public,), False, "name a key")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "dist" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"a")
    return path


def refusal(kind: type[BuildboxError], path: Path, trust: Trust, **given: Any) -> str:
    with pytest.raises(kind) as caught:
        verified(path, trust, **given)
    return f"{caught.value.reason}\n{caught.value.hint}"


def verified(path: Path, trust: Trust, given: Path | None = None, archive: Archive | None = None) -> Verified:
    return verify_artifact(path, given, archive, trust)


def changed(**values: Any) -> bytes:
    """The statement with other values at its top."""
    return json.dumps({**json.loads(DATA), **values}).encode()


def test_signed_beside(artifact: Path, trust: Trust, keys: list[PrivateKey]) -> None:
    beside(artifact).write_bytes(sign(DATA, keys[0]) + b"\n")
    found = verified(artifact, trust)
    assert (found.statement, found.output, found.signed) == (STATEMENT, "dist/a.bin", (keys[0].public,))
    assert verified(beside(artifact), trust) == found
    artifact.unlink()
    alone = verified(beside(artifact), trust)
    assert (alone.artifact, alone.statement) == (None, STATEMENT)


def test_beside_the_folder_that_it_is_in(artifact: Path, trust: Trust, keys: list[PrivateKey]) -> None:
    beside(artifact.parent).write_bytes(sign(DATA, keys[0]))
    assert verified(artifact, trust).output == "dist/a.bin"
    (artifact.parent / "other").write_bytes(b"b")
    assert "no statement tells of" in refusal(CantTell, artifact.parent / "other", trust)
    artifact.write_bytes(b"b")
    assert "its bytes are others" in refusal(Mismatch, artifact, trust)
    (artifact.parent / "other").unlink()
    artifact.write_bytes(b"a")
    (artifact.parent / "latest").symlink_to("a.bin")
    assert verified(artifact.parent, trust).output == "dist"


def test_a_statement_that_is_named_goes_before_the_one_beside(
    artifact: Path, trust: Trust, keys: list[PrivateKey], tmp_path: Path
) -> None:
    beside(artifact).write_bytes(DATA)
    (tmp_path / "named").write_bytes(sign(DATA, keys[0]))
    assert verified(artifact, trust, tmp_path / "named").signed
    assert "there is no file" in refusal(UsageError, artifact, trust, given=tmp_path / "none")
    assert "isn't JSON" in refusal(UsageError, artifact, trust, given=artifact)


def test_kept_in_the_archive(artifact: Path, trust: Trust, keys: list[PrivateKey], tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    newer = statement_bytes(replace(STATEMENT, run="newer"))
    for now, data, key in ((1, DATA, keys[0]), (2, newer, keys[1])):
        fingerprint = STATEMENT.fingerprint
        keep_statement(archive, data, fingerprint=fingerprint, result=None, now=now, envelope=sign(data, key))
    assert verified(artifact, trust, archive=archive).statement == STATEMENT  # the other is by a stranger
    both = replace(trust, keys=tuple(key.public for key in keys))
    assert verified(artifact, both, archive=archive).statement.run == "newer"
    stranger = replace(trust, keys=(generate(tmp_path / "third", None),))
    assert "is signed by another key" in refusal(Mismatch, artifact, stranger, archive=archive)
    artifact.write_bytes(b"another")
    told = refusal(CantTell, artifact, trust, archive=archive)
    assert f"the archive has none of {Digest.of(b'another')}" in told


def test_a_signature_goes_before_an_unsigned_one_that_is_newer(
    artifact: Path, trust: Trust, keys: list[PrivateKey], tmp_path: Path
) -> None:
    archive = Archive.open(tmp_path / "archive")
    newer = statement_bytes(replace(STATEMENT, run="newer"))
    fingerprint = STATEMENT.fingerprint
    signed = sign(DATA, keys[0])
    keep_statement(archive, DATA, fingerprint=fingerprint, result=None, now=1, envelope=signed)
    keep_statement(archive, newer, fingerprint=fingerprint, result=None, now=2)
    for each in (trust, replace(trust, unsigned=True)):
        assert verified(artifact, each, archive=archive).signed == (keys[0].public,)


def test_unsigned(artifact: Path, trust: Trust) -> None:
    beside(artifact).write_bytes(DATA)
    assert "a.bin.intoto.jsonl isn't signed" in refusal(Mismatch, artifact, trust)
    assert verified(artifact, replace(trust, unsigned=True)).signed == ()


def test_another_key_stays_refused_where_unsigned_ones_are_taken(
    artifact: Path, trust: Trust, keys: list[PrivateKey]
) -> None:
    beside(artifact).write_bytes(sign(DATA, keys[1]))
    for each in (trust, replace(trust, unsigned=True)):
        assert keys[1].public.id in refusal(Mismatch, artifact, each)


def test_no_key_to_trust(artifact: Path, trust: Trust, keys: list[PrivateKey]) -> None:
    beside(artifact).write_bytes(sign(DATA, keys[0]))
    nobody = replace(trust, keys=())
    assert "there is no key to hold that against\nname a key" in refusal(CantTell, artifact, nobody)
    assert verified(artifact, replace(nobody, unsigned=True)).signed == ()


def test_no_changed_byte_of_a_signed_statement_passes(
    artifact: Path, trust: Trust, keys: list[PrivateKey]
) -> None:
    """Neither in the file beside it, nor in what was signed."""
    whole = sign(DATA, keys[0])
    for at in range(0, len(whole), 7):
        beside(artifact).write_bytes(bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]))
        try:
            found = verified(artifact, trust)
        except Mismatch as error:
            assert error.exit == Exit.DIFFERENT
        else:
            assert found.statement == STATEMENT  # the byte was one of the hint that names the key


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"LEVEL":"2"', b'"LEVEL":"3"'),
        lambda text: text.replace(b'"status":0', b'"status":0,"told":1'),
        lambda text: text.replace(b'"make","dist"', b'"make","disT"'),
        lambda text: text.replace(Digest.of(b"a").hex.encode(), Digest.of(b"b").hex.encode()),
    ],
)
def test_a_changed_statement_that_nobody_signed(
    artifact: Path, trust: Trust, change: Callable[[bytes], bytes]
) -> None:
    data = change(DATA)
    assert data != DATA
    beside(artifact).write_bytes(data)
    with pytest.raises((Mismatch, CantTell)):
        verified(artifact, replace(trust, unsigned=True))


@pytest.mark.parametrize(
    "values",
    [
        {"_type": "https://in-toto.io/Statement/v2"},
        {"predicateType": "https://slsa.dev/provenance/v2"},
        {"novelty": 1},
    ],
)
def test_a_newer_kind(
    artifact: Path, trust: Trust, keys: list[PrivateKey], values: dict[str, object]
) -> None:
    beside(artifact).write_bytes(sign(changed(**values), keys[0]))
    assert "that this buildbox doesn't know" in refusal(CantTell, artifact, trust)
    beside(artifact).write_bytes(sign(changed(**values), keys[1]))
    assert "signed by another key" in refusal(Mismatch, artifact, trust)  # who wrote it is asked first


def test_what_lies_beside_it_is_damaged(artifact: Path, trust: Trust) -> None:
    for data in (b"", DATA[:100], b"{}"):
        beside(artifact).write_bytes(data)
        assert "a.bin.intoto.jsonl" in refusal(Mismatch, artifact, trust)


def test_another_artifact_than_the_statements(artifact: Path, trust: Trust, keys: list[PrivateKey]) -> None:
    beside(artifact).write_bytes(sign(DATA, keys[0]))
    artifact.write_bytes(b"A")
    assert "its bytes are others" in refusal(Mismatch, artifact, trust)


def test_nothing_is_known(artifact: Path, trust: Trust, tmp_path: Path) -> None:
    told = refusal(CantTell, artifact, trust)
    assert "beside it there is no a.bin.intoto.jsonl\nthere is no archive here" in told
    assert "there is no file" in refusal(UsageError, tmp_path / "none", trust)


def test_a_statement_under_another_name(tmp_path: Path, trust: Trust, keys: list[PrivateKey]) -> None:
    (tmp_path / "provenance.json").write_bytes(sign(DATA, keys[0]))
    assert verified(tmp_path / "provenance.json", trust).artifact is None


def test_a_rebuild_goes_by_no_statement_that_was_changed_after_it_was_signed(keys: list[PrivateKey]) -> None:
    mine, theirs = keys
    signed = sign(DATA, mine)
    public = mine.public, theirs.public
    assert hold_against(Given(DATA, signed, "it"), public) == (mine.public,)
    assert hold_against(Given(DATA, signed, "it"), (theirs.public,)) == ()
    assert hold_against(Given(DATA, None, "it"), public) == ()
    value = json.loads(sign(DATA, theirs))
    value["signatures"][0]["keyid"] = mine.public.id
    with pytest.raises(Mismatch, match="the signature isn't that of"):
        hold_against(Given(DATA, json.dumps(value).encode(), "it"), public)
    with pytest.raises(Mismatch, match="what is signed isn't it"):
        hold_against(Given(changed(project="other"), signed, "it"), public)
    with pytest.raises(Mismatch, match="is damaged"):
        hold_against(Given(DATA, b"{}", "it"), public)
