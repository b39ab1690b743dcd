"""YAML as pipelines are written in it: readable, the same text each time, and no text that means another.

Only what every reader takes for the same: block mappings and lists, plain words that can't be anything else,
double-quoted scalars (YAML 1.2.2, sections 5.7 and 7.3.1) and literal blocks (8.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@-]*( [A-Za-z0-9_./@-]+)*")
_NOT_PLAIN = frozenset(
    {"y", "yes", "n", "no", "true", "false", "on", "off", "null", ".inf", ".nan"}
)  # YAML 1.1
_SIGNS = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True)
class Script:
    """Lines for a shell, written as a block."""

    text: str


@dataclass(frozen=True)
class Noted:
    """A value of a mapping, with comments above its key, or behind it."""

    value: Value
    above: tuple[str, ...] = ()
    behind: str = ""


Value = str | int | bool | Script | Noted | Sequence["Value"] | Mapping[str, "Value"]


def write(document: Mapping[str, Value]) -> str:
    """The document's text; its top-level keys are set apart by empty lines."""
    parts = ["\n".join(_pairs({key: value}, 0)) for key, value in document.items()]
    return "\n\n".join(parts) + "\n"


def scalar(text: str) -> str:
    """`text` as one word of YAML, quoted where it could be taken for anything else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN and not text.endswith("."):
        return text
    return '"' + "".join(_SIGNS.get(sign) or _sign(sign) for sign in text) + '"'


def comment(text: str) -> str:
    """`text` as a comment, whatever it has in it."""
    return "# " + "".join(sign if sign.isprintable() else "?" for sign in text)


def _sign(sign: str) -> str:
    if sign.isprintable() and sign != "\ufeff":
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _pairs(mapping: Mapping[str, Value], indent: int) -> Iterator[str]:
    for key, value in mapping.items():
        behind = ""
        if isinstance(value, Noted):
            yield from (" " * indent + comment(line) for line in value.above)
            behind = f"  {comment(value.behind)}" if value.behind else ""
            value = value.value
        lines = _value(value, indent + 2)
        yield f"{' ' * indent}{scalar(key)}:{next(lines)}{behind}"
        yield from lines


def _value(value: Value, indent: int) -> Iterator[str]:
    """What stands behind a key's colon, then the lines below it."""
    if isinstance(value, Mapping):
        yield "" if value else " {}"
        yield from _pairs(value, indent)
    elif isinstance(value, Script) and _fits_block(value.text):
        yield " |"
        yield from (f"{' ' * indent}{line}".rstrip() for line in value.text.rstrip("\n").split("\n"))
    elif isinstance(value, (str, int, Script)):
        yield f" {_scalar(value)}"
    elif isinstance(value, Noted):
        raise TypeError("only a mapping's values have comments")
    else:
        yield "" if value else " []"
        for each in value:
            yield from _item(each, indent)


def _item(value: Value, indent: int) -> Iterator[str]:
    """An entry of a list."""
    dash = " " * indent + "-"
    if isinstance(value, Mapping) and value:
        lines = _pairs(value, indent + 2)
        for line in lines:
            is_comment = line.lstrip().startswith("#")
            yield line if is_comment else dash + line[indent + 1 :]
            if not is_comment:
                break
        yield from lines
        return
    lines = _value(value, indent + 2)
    yield dash + next(lines)
    yield from lines


def _scalar(value: str | int | Script) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return scalar(value.text if isinstance(value, Script) else value)


def _fits_block(text: str) -> bool:
    """Whether a literal block means exactly `text`, with one line end at its end."""
    lines = text.split("\n")
    return (
        text.endswith("\n")
        and not text.endswith("\n\n")
        and not lines[0].startswith((" ", "\t"))
        and bool(lines[0])
        and all(line.isprintable() and "\ufeff" not in line and line == line.rstrip() for line in lines)
    )
