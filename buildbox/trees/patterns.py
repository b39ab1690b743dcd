"""Patterns of paths: the globs of gitignore(5), but anchored at the project's folder.

`*`, `?` and `[...]` stay within one part of a path, `**` as a whole part crosses parts, a backslash takes a
sign as it is. What a pattern names may be a file or a folder, and then all below it counts; with a "/" at its
end it names only folders. `!pattern` takes away what patterns before it chose: the last match wins.
Names that start with a dot are like all others. A `[` that is never closed is just that sign.

Paths are relative, their parts joined by "/". A folder is asked for with a "/" at its end ("dist/").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from buildbox.trees.globs import Part, parse_part, part_regex, parts_meet, sequences_meet

_ANY_DEPTH = "**"


@dataclass(frozen=True)
class Glob:
    """One pattern, taken apart. Without parts it names the project's folder: everything."""

    text: str  # as written
    negated: bool
    parts: tuple[str, ...]  # without "**" at the end, "." and empty ones
    inside: bool  # only what is below such a folder

    @cached_property
    def start(self) -> tuple[str, ...]:
        """The parts before the first one with a wildcard, as names."""
        names: list[str] = []
        for part in self.parts:
            tokens = parse_part(part)
            if part == _ANY_DEPTH or any(not isinstance(token, str) for token in tokens):
                break
            names.append("".join(token for token in tokens if isinstance(token, str)))
        return tuple(names)

    @property
    def literal(self) -> bool:
        """Whether it has no wildcard: `start` is all of it."""
        return len(self.start) == len(self.parts)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Matches the whole of each path that the pattern names, whether it is negated or not."""
        return re.compile(_regex(self, "g"), re.DOTALL)


@dataclass(frozen=True)
class Patterns:
    """A list of patterns, the last of which that matches wins."""

    globs: tuple[Glob, ...]

    def matches(self, path: str) -> bool:
        """Whether the patterns choose `path`."""
        for negated, regex in self._runs:
            if regex.fullmatch(path):
                return not negated
        return False

    def unmatched(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The patterns, as written and without those that take away, that match none of `paths`."""
        left = {glob.text: glob.regex for glob in self.globs if not glob.negated}
        for path in paths:
            for text in [text for text, regex in left.items() if regex.fullmatch(path)]:
                del left[text]
            if not left:
                break
        return tuple(left)

    def may_match_below(self, folder: str) -> bool:
        """False only if nothing below `folder` ("src", without "/" at its end) is chosen."""
        names = folder.split("/")
        for glob in reversed(self.globs):
            if glob.negated:
                if glob.regex.fullmatch(f"{folder}/"):
                    return False
            elif _may_lead_below(glob.parts, names):
                return True
        return False

    @cached_property
    def _runs(self) -> tuple[tuple[bool, re.Pattern[str]], ...]:
        """From the last pattern to the first: those of one kind that follow each other, as one regex."""
        runs: list[tuple[bool, list[str]]] = []
        for number, glob in enumerate(reversed(self.globs)):
            if not runs or runs[-1][0] != glob.negated:
                runs.append((glob.negated, []))
            runs[-1][1].append(_regex(glob, f"g{number}_"))
        return tuple((negated, re.compile("|".join(texts), re.DOTALL)) for negated, texts in runs)


def compile_patterns(patterns: Sequence[str]) -> Patterns:
    """The patterns, ready to match. Any text is a pattern."""
    return Patterns(tuple(map(_parse, patterns)))


def may_overlap(a: Sequence[str], b: Sequence[str]) -> bool:
    """False only if there can be no path that both lists choose."""
    ours, theirs = tuple(map(_parse, a)), tuple(map(_parse, b))
    return any(
        _meet(one, other)
        and not any(_holds(taken, other) for taken in _takes_away(ours[here + 1 :]))
        and not any(_holds(taken, one) for taken in _takes_away(theirs[there + 1 :]))
        for here, one in enumerate(ours)
        if not one.negated
        for there, other in enumerate(theirs)
        if not other.negated
    )


@lru_cache(maxsize=4096)
def _parse(text: str) -> Glob:
    body = text[1:] if text.startswith("!") else text
    parts: list[str] = []
    for part in body.split("/"):
        if part not in ("", ".") and not (part == _ANY_DEPTH and parts[-1:] == [part]):
            parts.append(part)
    inside = body.endswith("/")
    if parts[-1:] == [_ANY_DEPTH]:
        parts.pop()
        inside = True
    return Glob(text, body != text, tuple(parts), inside and bool(parts))


def _regex(glob: Glob, prefix: str) -> str:
    """The pattern as a regex, each of whose groups has a name that starts with `prefix`.

    What lies between two wildcards is looked for once, from the left, and never again: that finds a match
    if there is one, and no pattern can make it try all the ways of sharing a long name among many `*`.
    Python has atomic groups since 3.11; a lookahead with a group, and that group again, is the same.
    """
    if not glob.parts:
        return ".*"
    runs: list[list[str]] = [[]]
    for part in glob.parts:
        if part == _ANY_DEPTH:
            runs.append([])
        else:
            runs[-1].append(part)
    texts = []
    for number, run in enumerate(runs):
        text = "/".join(
            part_regex(parse_part(part), f"{prefix}{number}_{place}_") for place, part in enumerate(run)
        )
        last = number == len(runs) - 1
        if number:
            text = f"(?:[^/]+/)*?{text}"
        if not last:
            text += "/" if run else ""
            text = f"(?=(?P<{prefix}{number}>{text}))(?P={prefix}{number})" if number else text
        texts.append(text)
    return "".join(texts) + ("/.*" if glob.inside else "(?:/.*)?")


def _may_lead_below(parts: Sequence[str], names: Sequence[str]) -> bool:
    for part, name in zip(parts, names, strict=False):
        if part == _ANY_DEPTH:
            return True
        if not _part_matcher(part).fullmatch(name):
            return False
    return True


@lru_cache(maxsize=4096)
def _part_matcher(part: str) -> re.Pattern[str]:
    return re.compile(part_regex(parse_part(part), "g"), re.DOTALL)


def _takes_away(globs: Sequence[Glob]) -> Iterable[Glob]:
    return (glob for glob in globs if glob.negated)


def _holds(outer: Glob, inner: Glob) -> bool:
    """True only if each path that `inner` names is named by `outer` as well."""
    outer_parts, inner_parts = _with_inside(outer), _with_inside(inner)
    return len(outer_parts) <= len(inner_parts) and all(
        mine == its or (mine == "*" and its != _ANY_DEPTH)
        for mine, its in zip(outer_parts, inner_parts, strict=False)
    )


def _with_inside(glob: Glob) -> tuple[str, ...]:
    return (*glob.parts, "*") if glob.inside else glob.parts


def _meet(one: Glob, other: Glob) -> bool:
    """Whether a path can match both. May be wrong only by saying yes."""
    if any(mine != its for mine, its in zip(one.start, other.start, strict=False)):
        return False
    ours, theirs = ((*_with_inside(glob), _ANY_DEPTH) for glob in (one, other))
    return sequences_meet(ours, theirs, lambda part: part == _ANY_DEPTH, _names_meet)


def _names_meet(mine: str, its: str) -> bool:
    return parts_meet(_tokens(mine), _tokens(its))


@lru_cache(maxsize=4096)
def _tokens(part: str) -> Part:
    return parse_part(part)
