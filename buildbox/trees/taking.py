"""The outputs of a task: found by name, judged, hashed, and taken out of the tree that the task left."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildbox.digest import CHUNK
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.faults import OutputRefused, explained, shown, tree_error
from buildbox.trees.folders import CREATE, OPEN, READ, Folders, chmod, open_forced
from buildbox.trees.names import OWN, link_problem, name_problem
from buildbox.trees.patterns import Patterns, compile_patterns

_KINDS = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class Taken:
    """Outputs of a task."""

    entries: tuple[Entry, ...]  # sorted by path
    folder: Path  # where they are now
    missing: tuple[str, ...] = ()  # patterns that nothing matches


class _Refused(Exception):
    """Why one file isn't taken."""


def take(stage: Path, outputs: Sequence[str], to: Path) -> Taken:
    """Moves what the patterns `outputs` name out of the tree `stage` into the folder `to`, and hashes it.

    A file that isn't the caller's alone (another owner, several names, extended attributes), or that lies on
    another disk, is copied. The task has ended; what it left is not trusted. What `stage` holds afterwards is
    only good to be removed. Raises OutputRefused with all that is wrong, TreeError where `to` can't be
    written.
    """
    with explained("written", str(to)):
        to.mkdir(parents=True, exist_ok=True)
        with Folders(to, make=0o755) as target:
            return _Looking(compile_patterns(outputs), target).run(stage, to)


def look_at(root: Path, outputs: Sequence[str]) -> Taken:
    """The outputs of a mounted task, hashed where they are. Links may lead anywhere: they aren't followed.

    Raises OutputRefused, TreeError.
    """
    return _Looking(compile_patterns(outputs), None).run(root, root)


class _Looking:
    """One `take` or `look_at`: what was found so far, and what is wrong with it."""

    def __init__(self, patterns: Patterns, target: Folders | None) -> None:
        self._patterns = patterns
        self._target = target  # None: all stays where it is
        self._entries: list[Entry] = []
        self._problems: list[str] = []
        globs = [glob for glob in patterns.globs if not glob.negated]
        starts = [glob.start[:-1] if glob.literal and not glob.inside else glob.start for glob in globs]
        # Folders that a pattern names: a link there is a fault, not something that just doesn't match.
        self._ways = {"/".join(start[: n + 1]) for start in starts for n in range(len(start))}

    def run(self, tree: Path, folder: Path) -> Taken:
        with explained("read", str(tree)):
            if self._target:
                with Folders(tree.parent) as parent:
                    top = open_forced(tree.name, parent.root)
            else:
                top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._look_in(top, "")
            finally:
                os.close(top)
        if self._problems:
            raise OutputRefused(self._problems)
        entries = tuple(sorted(self._entries, key=lambda entry: os.fsencode(entry.path)))
        found = (f"{entry.path}/" if entry.mode == FOLDER else entry.path for entry in entries)
        return Taken(entries, folder, self._patterns.unmatched(found))

    def _look_in(self, folder: int, path: str) -> bool:
        """Whether there is anything in the folder."""
        with os.scandir(folder) as found:
            names = sorted(entry.name for entry in found)
        for name in names:
            if path or name not in OWN:
                self._look(name, folder, f"{path}/{name}" if path else name)
        return bool(names)

    def _look(self, name: str, folder: int, path: str) -> None:
        try:
            kind = stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
            if kind == stat.S_IFDIR:
                self._folder(name, folder, path)
            elif kind == stat.S_IFLNK and path in self._ways:
                raise _Refused("is a link; what outputs name below it isn't looked for")
            elif self._patterns.matches(path):
                self._taken(name, folder, path, kind)
        except _Refused as problem:
            self._problems.append(f"{shown(path)} {problem}")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise tree_error("taken", path, error) from error
            self._problems.append(f"{shown(path)} can't be read: {error.strerror or error}")

    def _folder(self, name: str, parent: int, path: str) -> None:
        chosen = self._patterns.matches(f"{path}/")
        if not chosen and not self._patterns.may_match_below(path):
            return
        if problem := name_problem(path):
            raise _Refused(problem)
        file = open_forced(name, parent) if self._target else os.open(name, OPEN, dir_fd=parent)
        try:
            full = self._look_in(file, path)
        finally:
            os.close(file)
        if chosen and not full:
            self._entries.append(Entry(path, FOLDER, "", 0))
            if self._target:
                self._target.enter(path)

    def _taken(self, name: str, folder: int, path: str, kind: int) -> None:
        if problem := name_problem(path):
            raise _Refused(problem)
        if kind in _KINDS:
            raise _Refused(f"is {_KINDS[kind]}")
        if kind == stat.S_IFLNK:
            self._entries.append(self._link(name, folder, path))
        else:
            file = self._open(name, folder)
            try:
                self._entries.append(self._file(file, name, folder, path))
            finally:
                os.close(file)

    def _link(self, name: str, folder: int, path: str) -> Entry:
        target = os.readlink(name, dir_fd=folder)
        if self._target:
            if problem := link_problem(path, target):
                raise _Refused(problem)
            if not self._problems:
                os.symlink(target, name, dir_fd=self._target.enter(path.rpartition("/")[0]))
        content = os.fsencode(target)
        return Entry(path, LINK, hashlib.sha256(content).hexdigest(), len(content))

    def _open(self, name: str, folder: int) -> int:
        try:
            return os.open(name, READ, dir_fd=folder)
        except PermissionError:
            if not self._target:
                raise
        try:
            chmod(name, folder, 0o600)
            return os.open(name, READ, dir_fd=folder)
        except PermissionError:
            owner = os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
            raise _Refused(f"belongs to user {owner} and can't be read by you") from None

    def _file(self, file: int, name: str, folder: int, path: str) -> Entry:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            raise _Refused("was swapped for something else while it was read")
        mode = PROGRAM if before.st_mode & 0o100 else FILE
        if self._target and not self._problems:
            digest = self._bring(
                file, before, name, self._target.enter(path.rpartition("/")[0]), folder, mode
            )
        else:
            digest = _hash(file, before, None)
        return Entry(path, mode, digest, before.st_size)

    def _bring(self, file: int, before: os.stat_result, name: str, to: int, folder: int, mode: int) -> str:
        if before.st_nlink == 1 and _plain(file, before, os.fstat(to)):
            digest = _hash(file, before, None)
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=to)
            after = os.stat(name, dir_fd=to, follow_symlinks=False)
            if not os.path.samestat(after, before) or _looks(after)[:2] != _looks(before)[:2]:
                raise _Refused("was swapped for something else while it was read")
            os.fchmod(file, stat.S_IMODE(mode))
            return digest
        copy = os.open(name, CREATE, 0o600, dir_fd=to)
        try:
            os.fchmod(copy, stat.S_IMODE(mode))
            return _hash(file, before, copy)
        finally:
            os.close(copy)


def _plain(file: int, state: os.stat_result, folder: os.stat_result) -> bool:
    """Whether moving the file into the folder gives the same as copying it would."""
    return (state.st_uid, state.st_gid, state.st_dev) == (folder.st_uid, folder.st_gid, folder.st_dev) and (
        not os.listxattr(file)
    )


def _hash(file: int, before: os.stat_result, copy: int | None) -> str:
    """The sha256 of what is in the file, copied meanwhile."""
    hasher, size = hashlib.sha256(), 0
    while data := os.read(file, CHUNK):
        hasher.update(data)
        size += len(data)
        while copy is not None and data:
            data = data[os.write(copy, data) :]
    if _looks(os.fstat(file)) != _looks(before) or size != before.st_size:
        raise _Refused("changed while it was read")
    return hasher.hexdigest()


def _looks(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns
