"""What is written is what readers find, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.pipelines.yaml import Noted, Script, Value, comment, write
from tests.unit.pipelines.given import load

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS: st.SearchStrategy[Any] = TEXTS | st.booleans() | st.integers(-(10**9), 10**9)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, DOCUMENTS, min_size=1, max_size=3))
def test_every_reader_finds_what_was_written(document: dict[str, Value]) -> None:
    assert load(write(document)) == document


@given(st.lists(TEXTS, min_size=1, max_size=4).map("\n".join), TEXTS)
def test_scripts_and_comments(script: str, note: str) -> None:
    text = write({"run": Noted(Script(f"{script}\n"), above=(note,)), "next": Noted("value", behind=note)})
    assert load(text) == {"run": f"{script}\n", "next": "value"}


@pytest.mark.parametrize(
    "word",
    ["on", "No", "null", "~", "1e3", "0x1f", "1_000", "12:30", "=", "<<", "-", "2001-01-01", ".inf", " a"],
)
def test_words_that_readers_take_for_something_else(word: str) -> None:
    assert load(write({word: [word]})) == {word: [word]}


def test_it_is_as_a_person_would_write_it() -> None:
    document: dict[str, Value] = {
        "name": "a name",
        "jobs": {
            "one": Noted({"steps": [{"run": Script("ls\necho\n"), "env": {}}, "x"], "ok": True}, ("why",)),
            "two": [],
        },
        "uses": Noted("action@1", behind="v1"),
    }
    assert write(document) == (
        "name: a name\n\njobs:\n  # why\n  one:\n    steps:\n      - run: |\n          ls\n          echo\n"
        "        env: {}\n      - x\n    ok: true\n  two: []\n\nuses: action@1  # v1\n"
    )


def test_a_comment_is_one_line() -> None:
    assert comment("a\nb\u2028c\x85d\te") == "# a?b?c?d?e"
