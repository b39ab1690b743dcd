"""Which files of the working tree are a task's inputs, and the digest of that tree.

Without patterns: what git tracks or would add. With patterns: those among these that they choose, and ignored
ones where a pattern's start, the parts before its first wildcard, is itself ignored ("vendor/**" where vendor
is): who writes that means them, and who writes "src/**" doesn't mean src/__pycache__. Where there is no git:
all files. Of a repository inside of the project, submodule or not, it is what git says of that one.

Modes and links are as they are on the disk. Pipes, sockets and devices are never inputs, nor empty folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildbox.digest import Digest
from buildbox.trees.choice import Choice, Found
from buildbox.trees.entry import Entry
from buildbox.trees.faults import explained, shown
from buildbox.trees.folders import Folders
from buildbox.trees.git import GitFailed, Head, read_commit
from buildbox.trees.memo import (
    VERSION,
    Kept,
    memo_folder,
    read_files,
    read_selections,
    tidy,
    write_files,
    write_selections,
)
from buildbox.trees.patterns import Patterns, compile_patterns, may_overlap
from buildbox.trees.seen import PATH, Seen, begun, is_special, see, settled
from buildbox.trees.view import View, look_with_git
from buildbox.trees.walk import walk

if TYPE_CHECKING:
    from buildbox.trees.committed import Committed

_MOST_KNOWN = 20_000  # files beyond what is there
_MANY = 1000  # files: for so many it pays to read the memo of the tracked ones


@dataclass(frozen=True)
class InputTree:
    """The inputs of a task."""

    digest: Digest
    count: int  # of files
    unmatched: tuple[str, ...]  # patterns that no file matches, and no output of a task could
    notes: tuple[str, ...]  # for people: what patterns name, but can't be an input
    # Seconds since the epoch: a file whose ctime is before it is what its entry says. It is before the look
    # began, and files were read, or compared with what was known of them, after that. It takes for granted
    # that the file system's clock is this machine's.
    since: float
    _make: Callable[[], Sequence[Entry]]

    def entries(self) -> Sequence[Entry]:
        """All files, sorted by path. Raises Changed where they can't be told any more."""
        return self._make()


class WorkTree:
    """A working tree as it was at one moment, or a little later where a file has changed since.

    Content is looked at when it is asked for: whoever copies a file whose ctime isn't before
    `InputTree.since` compares it with its entry. Any thread may ask.
    """

    def __init__(
        self, root: Path, data: Path, now: float, views: Sequence[View], problem: GitFailed | None
    ) -> None:
        self._root, self._data, self._now = root, data, now
        self._views, self._problem = tuple(views), problem
        self._memos = memo_folder(data, root)
        self._ignored: dict[str, bool] = {}
        self._has_ignored: dict[tuple[tuple[str, ...] | None, tuple[str, ...]], bool] = {}
        self._loose: dict[str, Seen | None] = {}  # what the disk said
        self._base: list[str] | None = None
        self._known: dict[str, Seen] | None = None
        self._selections: dict[str, Any] | None = None
        self._commit: tuple[Head | None] | None = None
        self._lock = threading.RLock()

    @classmethod
    def look(cls, root: Path, data: Path, env: Mapping[str, str], now: float) -> WorkTree:
        """The working tree at `root`. `now` (seconds since the epoch) must not be later than it is.

        `data` is buildbox's own folder, for memos; `env` the caller's environment. Raises TreeError.
        """
        root = Path(os.path.realpath(root))
        try:
            return cls(root, data, now, look_with_git(root, data, env, now), None)
        except GitFailed as problem:
            return cls(root, data, now, (), problem)

    def select(self, inputs: tuple[str, ...] | None, without: tuple[str, ...]) -> InputTree:
        """The files that `inputs` choose (None: see above), but for those that `without` choose.

        Where all of `inputs` take away, they take away from what None means. Raises GitFailed where only git
        could tell, but can't; TreeError, Changed.
        """
        with self._lock:
            if inputs and all(text.startswith("!") for text in inputs):
                return self._select(("**", *inputs), without, default=True)
            return self._select(inputs, without, default=inputs is None)

    def expect(self, inputs: Iterable[tuple[str, ...] | None]) -> None:
        """All that will be selected: git is then asked once about all of it."""
        with self._lock:
            if self._views:
                self._ask_ignored(
                    {start for each in inputs if each for start in _starts(compile_patterns(each))}
                )

    def commit(self, without: Sequence[str] = ()) -> Committed | None:
        """HEAD's commit. What `without` choose, outputs say, may differ from it.

        None without git or commits. Raises GitFailed.
        """
        from buildbox.trees.committed import committed

        head = self._head()
        return None if head is None else committed(self._views, head, compile_patterns(without))

    def has_ignored(self, inputs: tuple[str, ...] | None, without: tuple[str, ...]) -> bool:
        """Whether any input is a file that git ignores: no commit has it. Asked after such a `select`.

        Raises TreeError, Changed.
        """
        key = inputs, without
        with self._lock:
            if key not in self._has_ignored:
                self._has_ignored[key] = self._look_for_ignored(*key)
            return self._has_ignored[key]

    def commit_time(self) -> int | None:
        """The time of HEAD's commit (seconds since the epoch); None without one. Raises GitFailed."""
        head = self._head()
        return None if head is None else head.time

    def _select(
        self, inputs: tuple[str, ...] | None, without: tuple[str, ...], *, default: bool
    ) -> InputTree:
        if default and self._problem:
            raise self._problem
        patterns = None if inputs is None else compile_patterns(inputs)
        choice = Choice(patterns, compile_patterns(without))
        loose = self._see(sorted(set(filter(choice, self._loose_paths(choice, default=default)))))

        @cache
        def lines() -> Sequence[str]:
            return self._lines(choice, loose)

        @cache
        def entries() -> Sequence[Entry]:
            return self._entries(lines(), loose)

        key = self._key(loose, inputs, without)
        selections = self._read_selections()
        found = Found.read(selections.get(key))
        if found is None:
            chosen = lines()
            unmatched = patterns.unmatched(line[PATH:] for line in chosen) if patterns else ()
            found = Found(_digest(chosen), len(chosen), unmatched)
            selections[key] = found.write()
            write_selections(self._memos, selections)
        unmatched = tuple(
            text
            for text in found.unmatched
            if not may_overlap([text], without) and not (default and text == "**")
        )
        notes = self._notes(unmatched)
        return InputTree(
            Digest(found.digest), found.count, unmatched, notes, float(begun(self._now)), entries
        )

    def _loose_paths(self, choice: Choice, *, default: bool) -> Iterator[str]:
        """All files whose content isn't known from an index, or that may be gone."""
        if not self._views:
            yield from walk(self._root, "", choice.leads_below)
            return
        for view in self._views:
            yield from view.loose()
        if choice.inputs and not default:
            starts = _starts(choice.inputs)
            self._ask_ignored(starts)
            for start in sorted(starts):
                if self._ignored[start]:
                    yield from walk(self._root, start, choice.leads_below)

    def _ask_ignored(self, starts: Iterable[str]) -> None:
        """Has git say which of `starts` are ignored: those that aren't known yet, at once."""
        asked: dict[int, list[str]] = {}
        for path in starts:
            if path not in self._ignored:
                self._ignored[path] = False
                inside = [
                    place for place, view in enumerate(self._views) if f"{path}/".startswith(view.prefix)
                ]
                place = max(inside, key=lambda place: len(self._views[place].prefix))
                if path != self._views[place].prefix[:-1] and os.path.lexists(f"{self._root}/{path}"):
                    asked.setdefault(place, []).append(path)
        for place, paths in asked.items():
            view = self._views[place]
            for inner in view.git.ignored([path[len(view.prefix) :] for path in paths]):
                self._ignored[view.prefix + inner] = True

    def _see(self, paths: Sequence[str]) -> dict[str, Seen | None]:
        """What the disk has at `paths`; None where there is no file. What is new is kept for the next run."""
        new = [path for path in paths if path not in self._loose]
        if new:
            known = self._read_known(len(new))
            with explained("read", str(self._root)), Folders(self._root) as folders:
                for path in new:
                    self._loose[path] = see(folders, path, known)
            files = [file for path in new if (file := self._loose[path])]
            if any(known.get(file.path) != file for file in files):
                self._keep(settled(files, begun(self._now) * 10**9))
        return {path: self._loose[path] for path in paths}

    def _read_known(self, count: int) -> dict[str, Seen]:
        if self._known is None:
            self._known = read_files(self._memos / "loose")
        if count > _MANY and self._views:
            return {**read_files(self._memos / "base"), **self._known}
        return self._known

    def _keep(self, files: dict[str, Seen]) -> None:
        known = {**(self._known or {}), **files}
        if len(known) > _MOST_KNOWN + len(self._loose):
            known = {path: known[path] for path in self._loose if path in known}
        self._known = known
        write_files(self._memos / "loose", Kept.of(known.values()))
        tidy(self._data)

    def _key(
        self, loose: Mapping[str, Seen | None], inputs: tuple[str, ...] | None, without: tuple[str, ...]
    ) -> str:
        """Names all that a selection depends on: files that aren't loose are those of an index."""
        seen = [(path, file and [file.mode, file.digest]) for path, file in loose.items()]
        indexes = [(view.prefix, view.facts.index) for view in self._views]
        text = json.dumps([VERSION, indexes, seen, inputs, without])
        return hashlib.sha256(text.encode()).hexdigest()

    def _lines(self, choice: Choice, loose: Mapping[str, Seen | None]) -> Sequence[str]:
        """The files as Seen.line, sorted by the paths' bytes."""
        lines = [line for line in self._base_lines() if choice(line[PATH:])]
        if not loose.keys().isdisjoint(line[PATH:] for line in lines):
            lines = [line for line in lines if line[PATH:] not in loose]
        lines += [file.line for file in loose.values() if file]
        if "".join(lines).isascii():
            return sorted(lines, key=itemgetter(slice(PATH, None)))
        return sorted(lines, key=lambda line: os.fsencode(line[PATH:]))

    def _base_lines(self) -> Sequence[str]:
        """The files that aren't loose."""
        if self._base is None:
            gone = {path for view in self._views for path in view.loose()}
            self._base = [
                f"{line[:PATH]}{view.prefix}{line[PATH:]}" if view.prefix else line
                for view in self._views
                for line in view.base().lines
            ]
            if gone:
                self._base = [line for line in self._base if line[PATH:] not in gone]
        return self._base

    def _entries(self, lines: Sequence[str], loose: Mapping[str, Seen | None]) -> Sequence[Entry]:
        sizes = {path: file.size for path, file in loose.items() if file}
        for view in self._views:
            for path, file in view.base().seen().items():
                sizes.setdefault(view.prefix + path, file.size)
        return tuple(Entry(line[PATH:], int(line[:6], 8), line[7:71], sizes[line[PATH:]]) for line in lines)

    def _read_selections(self) -> dict[str, Any]:
        if self._selections is None:
            self._selections = read_selections(self._memos)
        return self._selections

    def _notes(self, unmatched: Sequence[str]) -> tuple[str, ...]:
        starts = ["/".join(glob.start) for glob in compile_patterns(unmatched).globs if glob.literal]
        if not starts:
            return ()
        with explained("read", str(self._root)), Folders(self._root) as folders:
            kinds = [(start, is_special(folders, start)) for start in starts]
        return tuple(f"{shown(start)} is {kind}, which can't be an input" for start, kind in kinds if kind)

    def _head(self) -> Head | None:
        if not self._views:
            return None
        with self._lock:
            if self._commit is None:
                self._commit = (read_commit(self._views[0].git),)
            return self._commit[0]

    def _look_for_ignored(self, inputs: tuple[str, ...] | None, without: tuple[str, ...]) -> bool:
        patterns = compile_patterns(inputs or ())
        # git calls nothing ignored that has tracked files in it.
        starts = [start for start in _starts(patterns) if self._ignored.get(start)]
        choice = Choice(patterns, compile_patterns(without))
        found = (path for start in starts for path in walk(self._root, start, choice.leads_below))
        return any(map(choice, found))


def _digest(lines: Sequence[str]) -> str:
    """The same as tree_digest, of what is sorted already."""
    text = "".join(f"{line}\0" for line in lines)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _starts(patterns: Patterns) -> frozenset[str]:
    """Where the walks would begin that find what the patterns choose."""
    return frozenset("/".join(glob.start) for glob in patterns.globs if glob.start and not glob.negated)
