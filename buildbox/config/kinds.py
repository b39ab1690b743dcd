"""The kinds of value that a configuration file can hold.

A file's format is one `Table` of these (`keys.py`): names, types and checks come from there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union


@dataclass(frozen=True)
class Text:
    """A string. `read` makes the value of it or raises ValueError."""

    read: Callable[[str], Any]
    note: str = ""  # what to write instead of a value of another type


@dataclass(frozen=True)
class Number:
    """An integer, or with `whole` unset also a float. `read` as in Text."""

    read: Callable[[Any], Any]
    whole: bool = True


@dataclass(frozen=True)
class Flag:
    """true or false."""


@dataclass(frozen=True)
class ListOf:
    """An array of one kind, read as a tuple."""

    item: Kind
    least: int = 0
    note: str = ""


@dataclass(frozen=True)
class MapOf:
    """A table whose keys its author chooses; `name` checks them as Text.read does."""

    name: Callable[[str], str]
    item: Kind


@dataclass(frozen=True)
class Table:
    """A table of known keys, read as a dict of those that are there."""

    keys: Mapping[str, Kind]
    required: tuple[str, ...] = ()


Kind = Union[Text, Number, Flag, ListOf, MapOf, Table]  # noqa: UP007 (evaluated on Python 3.10)
