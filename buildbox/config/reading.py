"""What TOML gave, read by a table of known keys; every problem is noted, none stops the reading."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from buildbox.config.kinds import Flag, Kind, ListOf, MapOf, Number, OneOf, Table, Text
from buildbox.config.near import did_you_mean

KeyPath = tuple[str | int, ...]  # names of tables and keys, indices of arrays

_LONGEST_SHOWN = 80  # characters of a value in a message
_MANY = 500  # problems
_MOST_COMPARED = 25_000  # names: what was meant isn't looked for in a file that is nothing but errors
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Problem(NamedTuple):
    """Something wrong at a key."""

    path: KeyPath
    text: str


class Reading:
    """The reading of one file by the table `root`, with its problems so far."""

    def __init__(self, root: Table) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.compared = 0  # names that a wrong one was held against

    def refuse(self, path: KeyPath, text: str) -> None:
        """Notes a problem at `path`."""
        self.problems.append(Problem(path, text))

    def unknown(self, name: str, known: Collection[str], kind: str) -> str:
        """`there is no KIND 'NAME'`, and which of `known` was probably meant."""
        self.compared += len(known)
        meant = did_you_mean(name, known) if self.compared < _MOST_COMPARED else ""
        return f"there is no {kind} {show(name)}{meant}"

    def table(self, kind: Table, value: Any, path: KeyPath) -> dict[str, Any]:
        """The values of a table's known keys; what is wrong is noted and left out."""
        if not isinstance(value, dict):
            self.refuse(path, _not_a("a table", value, kind.note))
            return {}
        found = {}
        for key, item in value.items():
            if key not in kind.keys:
                # What was meant is not looked for in a file that is nothing but errors: it takes time.
                few = len(self.problems) < _MANY
                text = _unknown_key(key, item, kind, self.root) if few else f"unknown key {show(key)}"
                self.refuse((*path, key), text)
                continue
            read = self.value(kind.keys[key], item, (*path, key))
            if read is not None:
                found[key] = read
        for key in kind.required:
            if key not in value:
                self.refuse(path, f"{key!r} is missing")
        return found

    def value(self, kind: Kind, value: Any, path: KeyPath) -> Any:
        """`value` read as `kind`; None, and a problem noted, where it isn't one."""
        if isinstance(kind, Table):
            return self.table(kind, value, path)
        try:
            if isinstance(kind, MapOf):
                return self._map(kind, value, path)
            if isinstance(kind, ListOf):
                return self._list(kind, value, path)
            if isinstance(kind, OneOf):
                return _one_of(kind, value)
            return _scalar(kind, value)
        except ValueError as error:
            self.refuse(path, str(error))
            return None

    def _map(self, kind: MapOf, value: Any, path: KeyPath) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(_not_a("a table", value, kind.note))
        found = {}
        for name, item in value.items():
            try:
                kind.name(name)
            except ValueError as error:
                self.refuse((*path, name), str(error))
            read = self.value(kind.item, item, (*path, name))
            if read is not None:
                found[name] = read
        return found

    def _list(self, kind: ListOf, value: Any, path: KeyPath) -> tuple[Any, ...] | None:
        if not isinstance(value, list):
            raise ValueError(_not_a("an array", value, kind.note))
        if len(value) < kind.least:
            raise ValueError("is empty")
        items = [self.value(kind.item, item, (*path, index)) for index, item in enumerate(value)]
        return None if None in items else tuple(items)


def show(value: object) -> str:
    """`value` for a message: quoted, without control characters, not too long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def show_path(path: KeyPath) -> str:
    """A key's path as TOML writes it (`tasks."a b".mounts[0].target`)."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        shown = part if part and _BARE.issuperset(part) else f'"{show(part)[1:-1]}"'
        text += f".{shown}" if text else shown
    return text


def _scalar(kind: Text | Number | Flag, value: Any) -> Any:
    if isinstance(kind, Flag):
        if not isinstance(value, bool):
            raise ValueError(_not_a("true or false", value))
        return value
    if isinstance(kind, Text):
        if not isinstance(value, str):
            raise ValueError(_not_a("a string", value, kind.note or _in_quotes(value)))
        return kind.read(value)
    if isinstance(value, bool) or not isinstance(value, int if kind.whole else (int, float)):
        raise ValueError(_not_a("an integer" if kind.whole else "a number", value))
    return kind.read(value)


def _one_of(kind: OneOf, value: Any) -> Any:
    wants_text = isinstance(value, str)
    fitting = next((each for each in kind.kinds if isinstance(each, Text) == wants_text), kind.kinds[0])
    return _scalar(fitting, value)


def _unknown_key(key: str, value: Any, here: Table, root: Table) -> str:
    text = f"unknown key {show(key)}"
    home, near = _home_of(key, root), did_you_mean(key, here.keys)
    if home and not (near and isinstance(value, dict)):  # [toolchain.x] isn't a default's toolchain
        return f"{text}; it belongs {home}"
    if near:
        return text + near
    if isinstance(value, dict) and not value.keys().isdisjoint(("run", "argv", "image")):
        return f"{text}; a name with a dot in it is written in quotes"
    return f"{text} (known here: {', '.join(here.keys)})"


def _home_of(key: str, root: Table) -> str:
    """Where in the file `key` would be known, or nothing."""
    if key in root.keys:
        return "at the top of the file"
    for name, kind in root.keys.items():
        inner = kind.item if isinstance(kind, MapOf) else kind
        if isinstance(inner, Table) and key in inner.keys:
            return f"in [{name}.NAME]" if isinstance(kind, MapOf) else f"in [{name}]"
    return ""


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


def _not_a(wanted: str, value: Any, note: str = "") -> str:
    found = next((name for kind, name in _TYPES if isinstance(value, kind)), "a date or time")
    return f"must be {wanted}, not {found}" + (f"; {note}" if note else "")


def _in_quotes(value: Any) -> str:
    if isinstance(value, bool):
        return f'write "{str(value).lower()}"'
    return f'write "{value}"' if isinstance(value, int | float) and abs(value) < 1e15 else ""
