"""Statements, written and read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildbox.oci import canonical
from buildbox.provenance.form import Unknown, parse_statement, statement_bytes
from buildbox.trees.entry import FOLDER, Entry
from tests.support.statements import a_statement, a_step


def changed(path: str, to: Any) -> bytes:
    """The bytes of a statement in which the value at `path` is another one, or gone."""
    value = json.loads(statement_bytes(a_statement()))
    *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    place = value
    for key in keys:
        place = place[key]
    if to is None:
        del place[last]
    else:
        place[last] = to
    return canonical(value)


EXTERNAL = "predicate/buildDefinition/externalParameters"
INTERNAL = "predicate/buildDefinition/internalParameters"


@pytest.mark.parametrize(
    "statement",
    [
        a_statement(),
        a_statement(a_step(network="bridge", caches={"pip": "/home/build/.cache"}, memory=1 << 30, cpus=1.5)),
        a_statement(a_step(inputs=("src/**",), timeout=60.0, user="0:0"), source=None, log=None, needs=()),
    ],
)
def test_what_is_written_is_read(statement: Any) -> None:
    assert parse_statement(statement_bytes(statement)) == statement


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        ("_type", "https://in-toto.io/Statement/v2", "Statement/v2"),
        ("predicateType", "https://slsa.dev/provenance/v2", "provenance/v2"),
        ("predicate/buildDefinition/buildType", "urn:buildbox:task:v2", "task:v2"),
        (f"{EXTERNAL}/colour", "red", "unknown key 'colour'"),
        (f"{INTERNAL}/colour", "red", "unknown key 'colour'"),
    ],
)
def test_what_is_not_known_is_refused(path: str, to: str, says: str) -> None:
    with pytest.raises(Unknown, match=says):
        parse_statement(changed(path, to))


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        ("subject", [], "is empty"),
        ("subject/0/digest/sha256", "0" * 64, "aren't those of their digest"),
        ("subject/0/digest/sha256", "0" * 63, "sha256"),
        ("subject/0/name", "../a", "isn't in the tree"),
        ("subject/0/annotations/mode", "120000", "isn't a file"),
        (f"{EXTERNAL}/argv", ["rm"], "was changed"),
        (f"{EXTERNAL}/workdir", "../up", "has '..' in it"),
        (f"{EXTERNAL}/user", "me", "is not a user"),
        (f"{EXTERNAL}/argv", None, "'argv' is missing"),
        (f"{EXTERNAL}/image", "tools:1", "has no digest"),
        (f"{INTERNAL}/fingerprint", f"sha256:{'0' * 64}", "was changed"),
        (f"{INTERNAL}/environment/HOME", "/root", "was changed"),
        (f"{EXTERNAL}/source-date-epoch", 1, "another SOURCE_DATE_EPOCH"),
        ("predicate/buildDefinition/resolvedDependencies/0/digest/gitCommit", "HEAD", "no id of git's"),
        ("predicate/buildDefinition/resolvedDependencies/0/annotations/path", "../up", "no folder"),
        ("predicate/buildDefinition/resolvedDependencies/0/annotations/clean", False, "what it claims"),
        ("predicate/buildDefinition/resolvedDependencies/2", None, "something is missing: inputs"),
        ("predicate/runDetails/metadata/startedOn", "yesterday", "yesterday"),
    ],
)
def test_a_changed_one_is_refused(path: str, to: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        parse_statement(changed(path, to))
    assert not isinstance(refused.value, Unknown)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b"null", b'{"_type": 1}'])
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_statement(data)


def test_there_is_a_subject() -> None:
    with pytest.raises(ValueError, match="none of the outputs"):
        statement_bytes(a_statement(outputs=(Entry("empty", FOLDER, "", 0),)))


def test_what_keeps_it_from_claiming_all() -> None:
    step = a_step(network="bridge", caches={"pip": "/c"}, secrets=("TOKEN",), pass_env=("LEVEL2",))
    limits = " ".join(a_statement(step, source=None).limits)
    assert all(word in limits for word in ("bridge", "pip", "TOKEN", "LEVEL2", "commit"))
    assert a_statement().limits == ()
