"""Where in a TOML text each key and value stands: for line numbers in errors and for edits in place.

tomllib keeps no positions, and neither does any style-preserving parser. The text has passed
tomllib before it comes here, so this reads only as much of the grammar (TOML 1.0) as tells keys,
values and tables apart. It is imported when there is an error to report or an edit to make.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

from buildbox.config.reading import KeyPath

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'''
    """ (?: [^\\] | \\. )*? """ "{0,2}  # a text's last quotes may stand right before the closing three
    | \'\'\' .*? \'\'\' '{0,2}
    | " (?: [^"\\\n] | \\. )* "
    | ' [^'\n]* '
    ''',
    re.DOTALL | re.VERBOSE,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


class Place(NamedTuple):
    """Offsets into the text, in characters."""

    key: int  # where the key (an array's element, a table's header) begins
    start: int  # of the value; of a table with a header: of the header
    end: int


def find_places(text: str) -> Mapping[KeyPath, Place]:
    """The place of every table, key and array element of `text`, which must be valid TOML."""
    return _Scan(text).places


def offset_of(places: Mapping[KeyPath, Place], path: KeyPath) -> int:
    """Where the key at `path` begins; the nearest table around it where it has no place."""
    while path and path not in places:
        path = path[:-1]
    return places[path].key if path else 0


def line_of(text: str, places: Mapping[KeyPath, Place], path: KeyPath) -> int:
    """The line, from 1, of what `offset_of` gives."""
    return text.count("\n", 0, offset_of(places, path)) + 1


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[KeyPath, Place] = {}
        self.counts: dict[KeyPath, int] = {}  # tables so far of each array of tables
        table: KeyPath = ()
        self.skip(_BLANK)
        while self.at < len(text):
            if text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if not match:
            raise ValueError(f"not TOML at {self.at}")
        self.at = match.end()
        return match[0]

    def header(self) -> KeyPath:
        start = self.at
        many = self.text.startswith("[[", start)
        self.at += 2 if many else 1
        names = self.names()
        self.at += 2 if many else 1
        path: KeyPath = ()
        for name in names:
            path = self.into(path)
            path += (name,)
            self.places.setdefault(path, Place(start, start, self.at))
        if many:
            self.counts[path] = self.counts.get(path, 0) + 1
        path = self.into(path)
        self.places[path] = Place(start, start, self.at)
        return path

    def into(self, path: KeyPath) -> KeyPath:
        """`path`, or the last table so far where it is an array of them."""
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def names(self) -> list[str]:
        names = []
        while True:
            self.skip(_SPACE)
            if self.text[self.at] in "\"'":
                names.append(str(tomllib.loads(f"k = {self.skip(_STRING)}")["k"]))
            else:
                names.append(self.skip(_BARE))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def pair(self, table: KeyPath) -> None:
        key = self.at
        path = table
        for name in self.names():
            path += (name,)
            self.places.setdefault(path, Place(key, key, key))
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        start = self.at
        self.value(path)
        self.places[path] = Place(key, start, self.at)

    def value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.skip(_STRING)
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            scalar = self.skip(_SCALAR)
            self.at -= len(scalar) - len(scalar.rstrip())

    def array(self, path: KeyPath) -> None:
        index = 0
        while self.more("]"):
            start = self.at
            element = (*path, index)
            self.value(element)
            self.places[element] = Place(start, start, self.at)
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        while self.more("}"):
            self.pair(path)

    def more(self, end: str) -> bool:
        """Past an opening bracket or comma; whether an element follows before `end`."""
        if self.text[self.at] in "[{,":
            self.at += 1
        self.skip(_BLANK)
        if self.text[self.at] == ",":
            return self.more(end)
        if self.text[self.at] == end:
            self.at += 1
            return False
        return True
