"""Lines and spans: documents are made piece by piece, so that what is where is known."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.config.places import find_places, line_of
from buildbox.config.reading import KeyPath

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STRINGS = [
    '"plain"',
    "'literal # not a comment'",
    '"esc \\" ] } = \\\\"',
    '""',
    "''",
    '""""""',
    "''''''",
    '"""\nfirst\n[not.a.table]\nkey = 1\n"""',
    "'''\n[[no]]\n# no comment\n'''",
    '"""two quotes at the end"""""',
    "'''one quote at the end''''",
    '"""a \\""" b \\\n   c"""',
]
SCALARS = ["1", "0x1F", "-17", "1_000.5e3", "inf", "true", "1979-05-27 07:32:00Z", "07:32:00", *STRINGS]
KEYS = ["{}", '"{} quoted.key"', "'{}'", '"{}\\u0041"', '"{}#]"', "{}-_1"]
BLANKS = ["", "\n", '# a comment with [brackets] and = and "quotes\n', "\n\n  # indented\n\t\n"]


class Document:
    """A TOML text in the making, and the line on which each of its parts begins."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.names = 0

    def __repr__(self) -> str:
        return repr(self.text)

    def pick(self, choices: list[str]) -> str:
        chosen: str = self.draw(st.sampled_from(choices))
        return chosen

    def number(self, most: int) -> int:
        chosen: int = self.draw(st.integers(0, most))
        return chosen

    def write(self, text: str) -> None:
        self.text += text

    def mark(self, path: KeyPath) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def key(self) -> tuple[str, str]:
        """A key that no other equals: as it is written, and its name."""
        self.names += 1
        written = self.pick(KEYS).format(f"k{self.names}")
        return written, next(iter(tomllib.loads(f"{written} = 1")))

    def pair(self, table: KeyPath, depth: int = 0) -> None:
        path = table
        written = []
        for _ in range(1 + self.number(2)):
            text, name = self.key()
            written.append(text)
            path += (name,)
            self.mark(path)
        self.write(self.pick([".", " . "]).join(written) + self.pick([" = ", "=", "\t= "]))
        self.value(path, depth)

    def value(self, path: KeyPath, depth: int) -> None:
        shape = self.number(5) if depth < 3 else 5
        if shape == 0:
            self.write("[" + self.pick(BLANKS))
            for index in range(self.number(3)):
                self.mark((*path, index))
                self.value((*path, index), depth + 1)
                self.write(self.pick(BLANKS[:2]) + "," + self.pick(BLANKS))
            self.write("]")
        elif shape == 1:
            self.write("{")
            for index in range(self.number(3)):
                self.write(", " if index else " ")
                self.pair(path, depth + 1)
            self.write(" }")
        else:
            self.write(self.pick(SCALARS))

    def header(self, many: bool, parent: KeyPath, parent_text: str) -> tuple[KeyPath, str]:
        text, name = self.key()
        text = f"{parent_text}.{text}" if parent_text else text
        path = (*parent, name)
        for size in range(1, len(path) + 1):
            if path[:size] not in self.lines:
                self.mark(path[:size])
        if many:
            self.mark((*path, 0))
        self.write(f"[[{text}]]" if many else f"[ {text} ]")
        self.write(self.pick(["\n", " # why\n"]))
        return ((*path, 0) if many else path), text

    def make(self) -> None:
        table: KeyPath = ()
        headers: list[tuple[KeyPath, str]] = [((), "")]
        for _ in range(self.number(12)):
            self.write(self.pick(BLANKS))
            if self.number(3) == 0:
                parent = headers[self.number(len(headers) - 1)]
                headers.append(self.header(self.number(2) == 0, *parent))
                table = headers[-1][0]
            else:
                self.pair(table)
                self.write(self.pick(["\n", "  # a comment\n"]))
        if self.number(3) == 0:
            self.text = self.text.removesuffix("\n")
        if self.number(3) == 0:
            self.text = self.text.replace("\n", "\r\n")


@st.composite
def documents(draw: Any) -> Document:
    document = Document(draw)
    document.make()
    return document


def value_at(document: Any, path: KeyPath) -> Any:
    for part in path:
        document = document[part]
    return document


@settings(max_examples=100, deadline=None)
@given(documents())
def test_every_part_is_found_on_its_line(document: Document) -> None:
    read = tomllib.loads(document.text)
    places = find_places(document.text)
    assert {path: line_of(document.text, places, path) for path in places} == document.lines
    for path, place in places.items():
        value = value_at(read, path)
        if not isinstance(value, dict | list):
            written = document.text[place.start : place.end]
            assert str(tomllib.loads(f"x = {written}")["x"]) == str(value)


def lines(text: str) -> dict[KeyPath, int]:
    tomllib.loads(text)
    places = find_places(text)
    return {path: line_of(text, places, path) for path in places}


def test_tables_of_an_array_are_counted() -> None:
    text = "[[a]]\nx = 1\n[[a.b]]\ny = 1\n[[a.b]]\n[a.c]\nz = 1\n[[a]]\n[[a.b]]\ny = 2\n"
    found = lines(text)
    assert found["a", 0, "x"] == 2
    assert (found["a", 0, "b", 0, "y"], found["a", 0, "b", 1]) == (4, 5)
    assert found["a", 0, "c", "z"] == 7
    assert (found["a", 1], found["a", 1, "b", 0, "y"]) == (8, 10)


def test_tables_out_of_order_and_named_by_others_first() -> None:
    found = lines("[a.b.c]\nx = 1\n[d]\n[a]\ny = 1\n[a.b]\nz = 1\n")
    assert (found["a", "b", "c", "x"], found[("a",)], found["a", "y"]) == (2, 4, 5)
    assert (found["a", "b"], found["a", "b", "z"]) == (6, 7)


@pytest.mark.parametrize("path", [("a", "b", "gone"), ("a", "b", "gone", 3, "x")])
def test_what_is_missing_is_looked_for_in_the_table_around_it(path: KeyPath) -> None:
    text = "\n[a]\n\n[a.b]\nx = 1\n"
    assert line_of(text, find_places(text), path) == 4


def test_nothing_around_it_is_the_first_line() -> None:
    assert line_of("\n\n[a]\n", find_places("\n\n[a]\n"), ("b",)) == 1
