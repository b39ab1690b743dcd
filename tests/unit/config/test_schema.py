"""The JSON Schema accepts what buildbox reads, and calls wrong what a person is likely to get wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from buildbox.config import user, values
from buildbox.config.described import PROJECT, USER, paths
from buildbox.config.keys import PROJECT_FILE, USER_FILE
from buildbox.config.kinds import Kind, ListOf, MapOf, Number, OneOf, Table, Text
from buildbox.config.schema import _FORMS, schema, type_name
from tests.support.project import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT_SCHEMA = Draft7Validator(schema(PROJECT_FILE))
USER_SCHEMA = Draft7Validator(schema(USER_FILE))
PIN = f"registry.example.com/tools:1@sha256:{'a' * 64}"


def readers(kind: Kind) -> set[Any]:
    """The functions that read what is in `kind`."""
    if isinstance(kind, Table):
        return set().union(*map(readers, kind.keys.values()))
    if isinstance(kind, MapOf):
        return {kind.name} | readers(kind.item)
    if isinstance(kind, ListOf):
        return readers(kind.item)
    if isinstance(kind, OneOf):
        return set().union(*map(readers, kind.kinds))
    return {kind.read} if isinstance(kind, Text | Number) else set()


READERS = sorted(readers(PROJECT_FILE) | readers(USER_FILE), key=lambda reader: str(reader.__name__))
TEXTS = [reader for reader in READERS if reader in _FORMS and reader.__annotations__.get("text")]


def faults(validator: Draft7Validator, document: Mapping[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("file", [PROJECT_FILE, USER_FILE])
def test_it_is_a_schema(file: Table) -> None:
    Draft7Validator.check_schema(schema(file))


@pytest.mark.parametrize(
    "path", [".buildbox.toml", ".buildbox.toml.example", "demo/.buildbox.toml"], ids=lambda path: str(path)
)
def test_it_accepts_the_files_of_this_repository(path: str) -> None:
    assert faults(PROJECT_SCHEMA, tomllib.loads((REPOSITORY / path).read_text())) == []


def test_it_accepts_the_example_of_a_users_file() -> None:
    text = (user.__doc__ or "").partition("\n\n")[2].replace("sha256:…", f"sha256:{'a' * 64}")
    assert faults(USER_SCHEMA, tomllib.loads(text)) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[tasks.test]\nouputs = []\nrun = 'x'", "$.tasks.test"),
        ("[tasks.test]\nrun = 'x'\nargv = ['x']", "$.tasks.test"),
        ("[tasks.test]\ndescription = 'neither run nor argv'", "$.tasks.test"),
        ("[tasks.test]\nrun = 'x'\ntimeout = 10", "$.tasks.test.timeout"),
        ("[tasks.test]\nrun = 'x'\ntimeout = '10'", "$.tasks.test.timeout"),
        ("[tasks.test]\nrun = 'x'\nrootfs = 'ro'", "$.tasks.test.rootfs"),
        ("[tasks.test]\nrun = 'x'\nenv = { BUILDBOX_X = '1' }", "$.tasks.test.env"),
        ("[tasks.'a b']\nrun = 'x'", "$.tasks"),
        ("[toolchains.python]\nplatform = 'linux/amd64'", "$.toolchains.python"),
        ("[toolchains.python]\nimage = 'python@3.11'", "$.toolchains.python.image"),
        (f"[services.db]\nimage = '{PIN}'\nready = 'x'\nready-port = 1", "$.services.db"),
        ("version = 2", "$.version"),
    ],
)
def test_it_says_where_a_file_is_wrong(text: str, place: str) -> None:
    assert [found.partition(": ")[0] for found in faults(PROJECT_SCHEMA, tomllib.loads(text))] == [place]


@pytest.mark.parametrize("reader", TEXTS, ids=lambda reader: str(reader.__name__))
@given(
    text=st.text(max_size=12)
    | st.from_regex(r"[!~/a-z0-9:.@-]{1,12}", fullmatch=True)
    | st.sampled_from(["10m", "1h30m", "2GiB", "512m", "0:0", "1000:100", "a[b,C=1]", "linux/arm/v7", PIN])
)
@example(text="~/.cache/pip")
@example(text="!a\n/b")
@example(text="registry.example.com:5000/a/b:1.0")
def test_what_is_read_is_valid(reader: Any, text: str) -> None:
    try:
        reader(text)
    except ValueError:
        return
    assert list(Draft7Validator({"type": "string", **_FORMS[reader]}).iter_errors(text)) == []


def test_the_forms_are_those_of_readers() -> None:
    assert set(_FORMS) <= set(READERS)
    assert values.image in TEXTS


@pytest.mark.parametrize(("file", "told"), [(PROJECT_FILE, PROJECT), (USER_FILE, USER)])
def test_each_key_and_nothing_else_is_described(file: Table, told: Mapping[str, object]) -> None:
    def speaks(path: str, kind: Kind) -> bool:
        """Maps of tables, and tables in arrays, are told of in one place only."""
        return not (isinstance(kind, MapOf) and isinstance(kind.item, Table)) and not path.endswith("[]")

    assert {path for path, kind in paths(file) if speaks(path, kind)} == told.keys()


def test_types_have_names() -> None:
    kinds = dict(paths(PROJECT_FILE))
    assert type_name(kinds["tasks.NAME.argv"]) == "array of strings"
    assert type_name(kinds["tasks.NAME.mounts"]) == "array of tables"
    assert type_name(kinds["tasks.NAME.source-date-epoch"]) == "integer or string"
    assert type_name(kinds["tasks.NAME.matrix.env"]) == "table: name = array of strings"
