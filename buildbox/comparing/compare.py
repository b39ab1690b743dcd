"""How two files differ, down to the members of archives in archives.

The files may be anybody's: little of them is held in memory, what is unpacked lies in files without names,
and there is a limit to it all. What can't be looked into is compared as bytes, and that is said.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from lzma import LZMAError
from pathlib import Path
from typing import IO

from buildbox.comparing.compressed import Unpacked, find_compression, header_facts
from buildbox.comparing.finding import (
    ADDED,
    COMPRESSION,
    CONTENT,
    FORM,
    MISSING,
    MODE,
    ORDER,
    TYPE,
    UNREAD,
    Finding,
    printable,
    shortened,
)
from buildbox.comparing.limits import Budget, TooMuch, spool
from buildbox.comparing.members import COMPRESSED_SIZE, Container, Fact, Member, find_container
from buildbox.comparing.plain import describe, first_difference
from buildbox.errors import UsageError

_UNREADABLE = (  # what the formats' readers raise for files that aren't good ones
    EOFError,
    LZMAError,
    NotImplementedError,  # zipfile, of a compression that it doesn't know
    OSError,
    OverflowError,
    RuntimeError,
    TooMuch,
    ValueError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_WIDTH = 120  # characters of a value that are shown
_Path = tuple[str, ...]


def compare_files(left: Path, right: Path, name: str, budget: Budget | None = None) -> list[Finding]:
    """What differs between two files, the first difference first; nothing where they are the same.

    `name` is what the findings call them. Links are compared as links. Raises UsageError where one can't be
    read.
    """
    kinds = [_kind(path) for path in (left, right)]
    if kinds[0] != kinds[1]:
        return [Finding((name,), TYPE, f"it is {kinds[1]} instead of {kinds[0]}")]
    if kinds[0] == "a link":
        old, new = (str(path.readlink()) for path in (left, right))
        return [] if old == new else [Finding((name,), TYPE, f"it leads to {_instead(old, new)}")]
    if kinds[0] != "a file":
        return []
    found = _modes(left, right, name)
    with ExitStack() as stack:
        one, other = (stack.enter_context(_opened(path)) for path in (left, right))
        found += _Comparison(budget or Budget()).files(one, other, (name,), 0)
    return found


class _Comparison:
    """One comparison, and what is left of its budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def files(self, left: IO[bytes], right: IO[bytes], path: _Path, depth: int) -> list[Finding]:
        """What differs between two files."""
        try:
            first = first_difference(left, right, self._budget)
        except TooMuch as limit:
            return [Finding(path, UNREAD, f"not compared: {limit}")]
        if first is None:
            return []
        notes = []
        if depth < self._budget.depth:
            try:
                found = self._inside(left, right, path, depth)
            except _UNREADABLE as problem:
                notes = [
                    Finding(path, UNREAD, f"not looked into: {shortened(printable(str(problem)), _WIDTH)}")
                ]
            else:
                if found:
                    return found
        return [Finding(path, CONTENT, describe(left, right, *first)), *notes]

    def _inside(self, left: IO[bytes], right: IO[bytes], path: _Path, depth: int) -> list[Finding]:
        """What differs between members of two archives, or what two files unpack to; else []."""
        containers = find_container(left), find_container(right)
        if containers[0] and containers[0] is containers[1]:
            return self._archives(containers[0](left), containers[0](right), path, depth)
        old, new = find_compression(left), find_compression(right)
        if not old or not new or old[0] != new[0]:
            return []
        found = _other_facts(path, list(header_facts(left)), list(header_facts(right)))
        unpacked = Unpacked(left, old[1], self._budget), Unpacked(right, new[1], self._budget)
        with spool(unpacked[0], self._budget) as one, spool(unpacked[1], self._budget) as other:
            found = self.files(one, other, path, depth + 1) + found
        return found or [Finding(path, COMPRESSION, f"the same content, compressed otherwise by {old[0]}")]

    def _archives(self, left: Container, right: Container, path: _Path, depth: int) -> list[Finding]:
        old, new = _by_name(left.members(self._budget)), _by_name(right.members(self._budget))
        both = [key for key in old if key in new]
        found = _lacking(path, old, new)
        pairs = [(old[key], new[key]) for key in both]
        others = [(one, other) for one, other in pairs if _differ(one, other)]
        for number, (one, other) in enumerate(others):
            if self._budget.findings <= 0:
                text = f"other contents; {len(others) - number} members weren't looked at in detail"
                found.append(Finding((*path, one.name), CONTENT, text))
                break
            self._budget.findings -= 1
            found += self._members(left, one, right, other, path, depth)
        order = [key for key in new if key in old]
        if both != order:
            first = next(there for here, there in zip(both, order, strict=True) if here != there)
            found.append(Finding(path, ORDER, f"other order of members, from {_shown(first[0])} on"))
        found += _facts_of_members(path, pairs)
        return found or [Finding(path, FORM, "the same members; only how the archive is written differs")]

    def _members(
        self, left: Container, old: Member, right: Container, new: Member, path: _Path, depth: int
    ) -> list[Finding]:
        with ExitStack() as stack:
            files = []
            for container, member in ((left, old), (right, new)):
                content = stack.enter_context(container.content(member.place))
                files.append(stack.enter_context(spool(content, self._budget)))
            return self.files(files[0], files[1], (*path, old.name), depth + 1)


def _differ(one: Member, other: Member) -> bool:
    """Whether both have content, and not the same: else their headers say what they are."""
    return bool(one.digest and other.digest and one.digest != other.digest)


def _by_name(members: Iterator[Member]) -> dict[tuple[str, int], Member]:
    """By name, and how often that was there before."""
    found: dict[tuple[str, int], Member] = {}
    times: dict[str, int] = {}
    known: dict[tuple[Fact, ...], tuple[Fact, ...]] = {}  # mostly all have the same: held once
    for member in members:
        number = times[member.name] = times.get(member.name, -1) + 1
        found[member.name, number] = member._replace(facts=known.setdefault(member.facts, member.facts))
    return found


def _lacking(
    path: _Path, old: Mapping[tuple[str, int], Member], new: Mapping[tuple[str, int], Member]
) -> list[Finding]:
    found = []
    for kind, there, others, text in (
        (MISSING, old, new, "is missing"),
        (ADDED, new, old, "is there, too"),
    ):
        names = [name for name, number in there if (name, number) not in others]
        if names:
            found.append(Finding((*path, names[0]), kind, text, len(names) - 1))
    return found


def _facts_of_members(path: _Path, pairs: Sequence[tuple[Member, Member]]) -> list[Finding]:
    """Of each kind the first member whose headers differ in it, and how many others do."""
    first: dict[str, Finding] = {}
    more: dict[str, int] = {}
    for old, new in pairs:
        if old.facts == new.facts:
            continue
        facts = [
            [fact for fact in member.facts if fact.name != COMPRESSED_SIZE or not _differ(old, new)]
            for member in (old, new)
        ]  # other contents have other sizes
        for finding in _other_facts((*path, old.name), *facts):
            more[finding.kind] = more.get(finding.kind, -1) + 1
            first.setdefault(finding.kind, finding)
    return [replace(finding, more=more[kind]) for kind, finding in first.items()]


def _other_facts(path: _Path, old: Sequence[Fact], new: Sequence[Fact]) -> list[Finding]:
    """The facts that aren't the same, one finding for each kind of them."""
    before = {(fact.kind, fact.name): fact.value for fact in old}
    after = {(fact.kind, fact.name): fact.value for fact in new}
    texts: dict[str, list[str]] = {}
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            value = _instead(before.get(key, "none"), after.get(key, "none"))
            texts.setdefault(key[0], []).append(f"{printable(key[1])} {value}")
    return [Finding(path, kind, ", ".join(each)) for kind, each in texts.items()]


def _instead(old: str, new: str) -> str:
    return f"{_shown(new)} instead of {_shown(old)}"


def _shown(text: str) -> str:
    return shortened(printable(text), _WIDTH)


def _modes(left: Path, right: Path, name: str) -> list[Finding]:
    """Only whether it is a program counts: nothing else of a mode comes into the project."""
    old, new = (bool(path.lstat().st_mode & 0o100) for path in (left, right))
    words = {True: "a program", False: "no program"}
    return [] if old == new else [Finding((name,), MODE, f"it is {words[new]} instead of {words[old]}")]


def _kind(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        return "a link"
    return "a file" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"


def _opened(path: Path) -> IO[bytes]:
    try:
        return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
