"""One part of a pattern, between two "/": its signs, as a regex, and whether two can name the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

_POSIX = {  # gitignore(5) knows these as fnmatch(3) does, in the C locale
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t-\\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_CLASS = re.compile(r"\[([!^]?)(\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]", re.DOTALL)
_MEMBER = re.compile(r"\[:([a-z]+):\]|(?:\\(.)|(.))(?:-(?:\\(.)|([^\]\\])))?", re.DOTALL)


@dataclass(frozen=True)
class Many:
    """`*`: any signs, or none."""


@dataclass(frozen=True)
class One:
    """`?` or `[...]`: one sign that `regex` matches."""

    regex: str


Part: TypeAlias = "tuple[str | One | Many, ...]"
_ANY = One("[^/]")
T = TypeVar("T")


def parse_part(text: str) -> Part:
    """The signs of one part of a pattern; a str is one sign that stands for itself."""
    found: list[str | One | Many] = []
    place = 0
    while place < len(text):
        sign, given = text[place], _CLASS.match(text, place)
        place += 1
        if sign == "*":
            if not found or not isinstance(found[-1], Many):
                found.append(Many())
        elif sign == "?":
            found.append(_ANY)
        elif given:
            found.append(One(_class(given[1], given[2])))
            place = given.end()
        elif sign == "\\" and place < len(text):
            found.append(text[place])
            place += 1
        else:
            found.append(sign)
    return tuple(found)


def _class(negated: str, members: str) -> str:
    texts = []
    for found in _MEMBER.finditer(members):
        name, first, last = found[1], found[2] or found[3], found[4] or found[5]
        if name:
            texts.append(_POSIX.get(name, ""))
        elif last is None:
            texts.append(re.escape(first))
        elif first <= last:
            texts.append(f"{re.escape(first)}-{re.escape(last)}")
    inner = "".join(texts)
    if negated:
        return f"[^/{inner}]"
    return f"(?!/)[{inner}]" if inner else r"(?!)"


def part_regex(part: Part, prefix: str) -> str:
    """The regex for one part; its groups' names start with `prefix`. See patterns.py on the groups."""
    chunks = [""]
    for token in part:
        if isinstance(token, Many):
            chunks.append("")
        else:
            chunks[-1] += token.regex if isinstance(token, One) else re.escape(token)
    if len(chunks) == 1:
        return chunks[0]
    middle = "".join(
        f"(?=(?P<{prefix}{number}>[^/]*?{chunk}))(?P={prefix}{number})"
        for number, chunk in enumerate(chunks[1:-1])
    )
    # A part isn't empty: "src/*" doesn't name "src/" itself.
    return f"(?=[^/]){chunks[0]}{middle}[^/]*{chunks[-1]}"


def parts_meet(one: Part, other: Part) -> bool:
    """Whether some name can match both. May be wrong only by saying yes (of two `[...]`)."""
    return sequences_meet(one, other, lambda token: isinstance(token, Many), _signs_meet)


def sequences_meet(
    one: Sequence[T], other: Sequence[T], is_many: Callable[[T], bool], meet: Callable[[T, T], bool]
) -> bool:
    """Whether two sequences can stand for the same; what `is_many` stands for any number of things."""
    row = [True, *[False] * len(other)]  # how far both can be, with none of `one` used up
    for mine in (*one, None):
        below = [False] * (len(other) + 1)
        for place, its in enumerate((*other, None)):
            if not row[place]:
                continue
            # What is many may end here, or take in what the other has next: one of them moves on.
            if (mine is not None and is_many(mine)) or (its is not None and is_many(its)):
                if mine is not None and (its is not None or is_many(mine)):
                    below[place] = True
                if its is not None and (mine is not None or is_many(its)):
                    row[place + 1] = True
            elif mine is not None and its is not None and meet(mine, its):
                below[place + 1] = True
        if mine is not None:
            row = below
    return row[-1]


def _signs_meet(mine: str | One | Many, its: str | One | Many) -> bool:
    if isinstance(mine, str) and isinstance(its, str):
        return mine == its
    if isinstance(mine, One) and isinstance(its, One):
        return True
    sign, some = (mine, its) if isinstance(mine, str) else (its, mine)
    if not isinstance(sign, str) or not isinstance(some, One):
        return True
    return re.fullmatch(some.regex, sign, re.DOTALL) is not None
