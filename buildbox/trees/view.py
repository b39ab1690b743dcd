"""What git says of one working tree, at one moment: a repository, or one inside of another (a submodule).

git's object ids aren't used: they are of bytes that gitattributes(5) may have converted. What is used is what
the index knows of each file's stat(2). `base` (see memo.py) has the sha256 of files that were as the index
says when they were read. While the index has the same bytes, and git says that a file still is as the index
says, that sha256 is right: git compares size, inode, mtime and ctime, the times by whole seconds, and a file
is in `base` only if its ctime's second was over before git was asked, so a later change gets a later second.
All else (changed, new, assume-unchanged, skip-worktree, unmerged, intent-to-add) is "loose": the disk tells.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.trees.faults import Changed, TreeError
from buildbox.trees.folders import Folders
from buildbox.trees.git import Git, find_git_at, together
from buildbox.trees.memo import (
    Facts,
    Kept,
    forget_base,
    memo_folder,
    read_base,
    read_facts,
    read_files,
    write_base,
)
from buildbox.trees.seen import Seen, begun, see

_TRIES = 10
_SUBMODULE = "160000"
_DIFF = ("diff-files", "--raw", "-z", "--relative", "--no-renames", "--ignore-submodules=all", "--", ".")
_OTHERS = ("ls-files", "-z", "--others", "--exclude-standard")
_TRACKED = ("ls-files", "-z", "-s", "-v")


@dataclass(frozen=True)
class View:
    """One working tree; paths are relative to `prefix`."""

    prefix: str  # "" or where it is in the project, with "/" at its end
    git: Git
    memos: Path
    facts: Facts
    changed: tuple[str, ...]  # tracked files that aren't, or may not be, as the index says
    untracked: tuple[str, ...]
    now: float  # seconds since the epoch; when it was looked at, or before
    files: Kept | None  # what `base` has, if that was read or made

    def loose(self) -> Iterator[str]:
        """The files whose content only the disk can tell, or that they are gone; by paths in the project."""
        for path in (*self.changed, *self.facts.holes, *self.untracked):
            yield self.prefix + path

    def base(self) -> Kept:
        """The other ones. Raises Changed where they can't be told any more."""
        found = self.files if self.files is not None else read_base(self.memos, self.facts)
        return self._read_again() if found is None else found

    def _read_again(self) -> Kept:
        """The memo is damaged, or another process has written one of another index."""
        forget_base(self.memos)
        view, _ = _look(self.prefix, self.git, self.memos, self.now)
        if view.facts.index != self.facts.index or view.files is None:
            raise Changed(
                "git's index changed while the task's inputs were gathered",
                "Run it again when nothing else changes the project.",
            )
        files = view.files.seen()
        with Folders(self.git.folder) as folders:
            for path in {*view.changed, *view.facts.holes}.difference(self.changed, self.facts.holes):
                if file := see(folders, path, {}):
                    files[path] = file
        return Kept.of(files.values())


def look_with_git(root: Path, data: Path, env: Mapping[str, str], now: float) -> tuple[View, ...]:
    """The working tree that `root` is in, as far as it is below `root`, and those inside of it.

    Empty where there is no git, or `root` is a folder that the repository around it ignores.
    Raises GitFailed, TreeError.
    """
    git = find_git_at(root, env)
    if git is None:
        return ()
    found: list[View] = []
    left = [("", git)]
    while left:
        prefix, git = left.pop()
        view, inner = _look(prefix, git, memo_folder(data, git.folder), now)
        found.append(view)
        for name in inner:
            folder = git.folder / name
            if os.path.lexists(folder / ".git") and (below := find_git_at(folder, env)) and below.top:
                left.append((f"{prefix}{name}/", below))
    if not any(map(_has_any, found)) and not found[0].git.top and _is_ignored(found[0].git):
        return ()
    return tuple(found)


def _has_any(view: View) -> bool:
    return bool(view.facts.count or view.facts.holes or view.facts.links or view.changed or view.untracked)


def _is_ignored(git: Git) -> bool:
    """Whether the repository around this folder ignores it."""
    return bool(replace(git, folder=git.folder.parent).ignored([git.folder.name]))


def _look(prefix: str, git: Git, memos: Path, now: float) -> tuple[View, tuple[str, ...]]:
    """What git says, and the folders that are repositories of their own, if they are there."""
    for _ in range(_TRIES):
        before = _identity(git.index)
        index = _digest(git.index)
        facts = read_facts(memos)
        calls: list[Callable[[], bytes]] = [lambda: git.run(*_DIFF), lambda: git.run(*_OTHERS)]
        if facts and (facts.index != index or (facts.again is not None and facts.again < begun(now))):
            facts = None
        if facts is None:
            calls.append(lambda: git.run(*_TRACKED))
        answers = together(*calls)
        if _identity(git.index) != before:
            continue
        changed = _names(answers[0])[1::2]
        others = _names(answers[1])
        files = None
        if facts is None:
            facts, files = _make_base(git, memos, index, _names(answers[2]), set(changed), now)
        # A repository inside of this one, which nobody has made a submodule of, ends with "/".
        nested = [name[:-1] for name in others if name.endswith("/")]
        untracked = [name for name in others if not name.endswith("/")]
        loose = tuple(dict.fromkeys(changed)), tuple(untracked)
        view = View(prefix, git, memos, facts, *loose, now, files)
        return view, tuple(dict.fromkeys((*facts.links, *nested)))
    raise Changed(f"git's index of {git.folder} changes all the time", "Run it again when git is at rest.")


def _make_base(
    git: Git, memos: Path, index: str, tracked: Sequence[str], changed: set[str], now: float
) -> tuple[Facts, Kept]:
    """Reads the tracked files that are as the index says, and keeps what they are."""
    known = {**read_files(memos / "loose"), **read_files(memos / "base")}
    files: list[Seen] = []
    holes: list[str] = []
    links: list[str] = []
    young: list[int] = []  # the ctimes, in seconds, of files that are as new as this look
    with Folders(git.folder) as folders:
        for row in tracked:
            about, _, path = row.partition("\t")  # TAG MODE OBJECT STAGE: git-ls-files(1)
            tag, mode, _, stage = about.split(" ")
            if mode == _SUBMODULE:
                links.append(path)
                continue
            if tag == "H" and stage == "0" and path not in changed:
                file = _try_to_see(folders, path, known)
                if file is not None and file.ctime < begun(now) * 10**9:
                    files.append(file)
                    continue
                if file is not None:
                    young.append(file.ctime // 10**9)
            holes.append(path)
    holes, links = list(dict.fromkeys(holes)), list(dict.fromkeys(links))  # what is unmerged has up to three
    again = max(young, default=None)
    kept = Kept.of(files)
    return write_base(memos, index, kept, again=again, holes=holes, links=links), kept


def _try_to_see(folders: Folders, path: str, known: Mapping[str, Seen]) -> Seen | None:
    """None too where it can't be read: that matters only if a task has it as an input."""
    try:
        return see(folders, path, known)
    except TreeError:
        return None


def _names(answer: bytes) -> list[str]:
    return os.fsdecode(answer).split("\0")[:-1]


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
