"""The kinds of value that a configuration file can hold.

A file's format is one `Table` of these (`keys.py`): names, types and checks come from there alone.
Named tuples, since these are on the way of every run, and are defined in a tenth of a dataclass's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Union


class Text(NamedTuple):
    """A string. `read` makes the value of it or raises ValueError."""

    read: Callable[[str], Any]
    note: str = ""  # what to write instead of a value of another type


class Number(NamedTuple):
    """An integer, or with `whole` unset also a float. `read` as in Text."""

    read: Callable[[Any], Any]
    whole: bool = True


class Flag(NamedTuple):
    """true or false."""


class ListOf(NamedTuple):
    """An array of one kind, read as a tuple."""

    item: Kind
    least: int = 0
    note: str = ""


class OneOf(NamedTuple):
    """A value of the first kind that its type fits: a number or a string, say."""

    kinds: tuple[Number | Text, ...]


class MapOf(NamedTuple):
    """A table whose keys its author chooses; `name` checks them as Text.read does."""

    name: Callable[[str], str]
    item: Kind
    note: str = ""


class Table(NamedTuple):
    """A table of known keys, read as a dict of those that are there."""

    keys: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    note: str = ""


Kind = Union[Text, Number, Flag, OneOf, ListOf, MapOf, Table]  # noqa: UP007 (evaluated on Python 3.10)
