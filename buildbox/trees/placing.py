"""Outputs into the working tree: each by one rename, and what an earlier result left there out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from buildbox.digest import CHUNK
from buildbox.trees.entry import FOLDER, LINK, Entry
from buildbox.trees.faults import TreeError, explained, shown
from buildbox.trees.folders import CREATE, READ, Folders
from buildbox.trees.names import OWN, parents
from buildbox.trees.patterns import Patterns, compile_patterns
from buildbox.trees.placed import (
    Placed,
    Record,
    allowed_modes,
    alone,
    is_unchanged,
    look_of,
    read_record,
    state_of,
    write_record,
)
from buildbox.trees.taking import Taken


def place(taken: Taken, root: Path, record: Path, outputs: Sequence[str]) -> None:
    """Moves `taken` into the working tree `root`, and notes in the file `record` what is there then.

    A folder that `outputs` names without wildcards holds nothing but the new files afterwards. Elsewhere what
    an earlier call noted in `record`, and nobody has changed since, goes if it isn't among the new ones. A
    file in the way of a file is replaced. Modes are as the caller's umask has them, mtimes are now.
    Nothing changes where it can't be done: a folder with other files is in the way of a file, or the other
    way round, or a link is on the way, which is never followed. A kill leaves each file old or new, and the
    next call mends it. Outputs on another disk than the project are copied there. Raises TreeError.
    """
    if not taken.entries and not read_record(record).files:
        return
    with explained("written", str(record)), alone(record):
        _place(taken, root, record, outputs)


def _place(taken: Taken, root: Path, record: Path, outputs: Sequence[str]) -> None:
    before = read_record(record)
    allowed = allowed_modes(record.parent)
    with explained("changed", str(root)), Folders(root) as tree:
        removal = _Removal(tree, taken.entries, compile_patterns(outputs))
        removal.look(before)
        removal.check()
        with explained("read", str(taken.folder)), Folders(taken.folder) as source:
            coming = tuple(_prepare(source, entry, allowed) for entry in taken.entries)
            write_record(record, Record((*before.files, *coming)))  # a kill from here on leaves some of both
            removal.run()
            with Folders(root, make=0o777) as target:
                for entry in taken.entries:
                    _move(source, target, entry)
        placed = tuple(Placed(entry, look_of(state_of(tree, entry.path))) for entry in taken.entries)
        folders = tuple((folder, look_of(state_of(tree, folder))) for folder in removal.kept_folders())
        write_record(record, Record(placed, folders))


class _Removal:
    """What has to go before new outputs come, and whether that is allowed."""

    def __init__(self, tree: Folders, entries: Sequence[Entry], patterns: Patterns) -> None:
        self._tree = tree
        self._entries = entries
        self._patterns = patterns
        self._paths = {entry.path for entry in entries if entry.mode != FOLDER}
        self._folders = {entry.path for entry in entries if entry.mode == FOLDER}
        self._folders.update(parent for entry in entries for parent in parents(entry.path))
        self._files_go: set[str] = set()
        self._folders_go: set[str] = set()
        self._exact = self._exact_folders()

    def look(self, before: Record) -> None:
        """Finds what goes: of `before` what is unchanged, and all in folders that hold outputs only."""
        known: dict[str, list[Placed]] = {}
        for each in before.files:
            known.setdefault(each.entry.path, []).append(each)
        for path, placed in known.items():
            if path in self._paths:
                continue
            if any(each.entry.mode == FOLDER for each in placed):
                self._folders_go.add(path)
            elif is_unchanged(self._tree, placed):
                self._files_go.add(path)
                self._folders_go.update(parents(path))
        for folder in self._exact:
            for path, is_folder in self._below(folder):
                if is_folder:
                    self._folders_go.add(path)
                elif path not in self._paths and self._patterns.matches(path):
                    self._files_go.add(path)

    def check(self) -> None:
        """Raises TreeError where something that stays is in the way; it names all of it."""
        problems = [
            f"{shown(folder)} is {self._kind(folder)}, but has to be a folder"
            for folder in sorted(self._folders)
            if not self._may_be_folder(folder)
        ]
        problems += [
            f"{shown(path)} is a folder with other files, but has to be a file"
            for path in sorted(self._paths)
            if not self._may_be_file(path)
        ]
        problems += [
            f"{shown(folder) or 'the project'} is a folder that you may not write to"
            for folder in sorted({path.rpartition("/")[0] for path in self._paths | self._files_go})
            if not self._may_write(folder)
        ]
        if problems:
            raise TreeError(
                "outputs can't be placed:" + "".join(f"\n  {problem}" for problem in problems),
                "Move away what is in the way. Nothing has been changed.",
            )

    def run(self) -> None:
        """Removes files, then folders that are empty. Raises OSError."""
        for path in sorted(self._files_go):
            folder, _, name = path.rpartition("/")
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._tree.enter(folder))
        for path in sorted(self._folders_go - self._folders, reverse=True):
            folder, _, name = path.rpartition("/")
            try:
                os.rmdir(name, dir_fd=self._tree.enter(folder))
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise

    def kept_folders(self) -> list[str]:
        """The folders that now hold outputs only."""
        tops = tuple(f"{folder}/" for folder in self._exact)
        return sorted(folder for folder in self._folders if f"{folder}/".startswith(tops)) if tops else []

    def _exact_folders(self) -> tuple[str, ...]:
        """The folders that the patterns name as a whole; never the project's own."""
        globs = [glob for glob in self._patterns.globs if not glob.negated and glob.literal and glob.start]
        named = [
            "/".join(glob.start) for glob in globs if glob.start[0] not in OWN and ".." not in glob.start
        ]
        return tuple(sorted(folder for folder in set(named) if folder in self._folders))

    def _below(self, folder: str) -> Iterator[tuple[str, bool]]:
        """All that is below a folder, and whether it is one itself."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            try:
                file = self._tree.enter(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue
                raise
            with os.scandir(file) as found:
                items = [(f"{folder}/{item.name}", item.is_dir(follow_symlinks=False)) for item in found]
            yield from items
            waiting += [path for path, is_folder in items if is_folder]

    def _may_be_folder(self, path: str) -> bool:
        state = state_of(self._tree, path)
        return state is None or stat.S_ISDIR(state.st_mode) or path in self._files_go

    def _may_be_file(self, path: str) -> bool:
        state = state_of(self._tree, path)
        if state is None or not stat.S_ISDIR(state.st_mode):
            return True
        inner = list(self._below(path))
        self._folders_go.update({path, *(each for each, is_folder in inner if is_folder)})
        return all(is_folder or each in self._files_go for each, is_folder in inner)

    def _may_write(self, folder: str) -> bool:
        try:
            here = self._tree.enter(folder)
        except OSError:
            return True  # it is to be made, or something is in the way, which is said already
        return os.access(".", os.W_OK | os.X_OK, dir_fd=here, effective_ids=True)

    def _kind(self, path: str) -> str:
        state = state_of(self._tree, path)
        return "a link" if state and stat.S_ISLNK(state.st_mode) else "a file"


def _prepare(source: Folders, entry: Entry, allowed: int) -> Placed:
    """Gives a file the mode and the time that it shall have; what it will look like."""
    folder, _, name = entry.path.rpartition("/")
    if entry.mode in (FOLDER, LINK):
        return Placed(entry, look_of(None))
    file = os.open(name, READ, dir_fd=source.enter(folder))
    try:
        # What a new file gets: 0666, or 0777, without what the umask takes away.
        os.fchmod(file, (0o777 if entry.mode & 0o100 else 0o666) & allowed)
        os.utime(file)
    finally:
        os.close(file)
    return Placed(entry, look_of(None))


def _move(source: Folders, target: Folders, entry: Entry) -> None:
    folder, _, name = entry.path.rpartition("/")
    if entry.mode == FOLDER:
        target.enter(entry.path)
        return
    there, here = source.enter(folder), target.enter(folder)
    try:
        os.rename(name, name, src_dir_fd=there, dst_dir_fd=here)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(name, there, here, entry)


def _copy(name: str, there: int, here: int, entry: Entry) -> None:
    """What `rename` does, onto another disk."""
    aside = f".buildbox-{os.urandom(8).hex()}"
    try:
        if entry.mode == LINK:
            os.symlink(os.readlink(name, dir_fd=there), aside, dir_fd=here)
        else:
            _copy_file(name, there, aside, here)
        os.rename(aside, name, src_dir_fd=here, dst_dir_fd=here)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=here)
        raise


def _copy_file(name: str, there: int, aside: str, here: int) -> None:
    file = os.open(name, READ, dir_fd=there)
    try:
        copy = os.open(aside, CREATE, 0o600, dir_fd=here)
        try:
            while data := os.read(file, CHUNK):
                while data:
                    data = data[os.write(copy, data) :]
            os.fchmod(copy, stat.S_IMODE(os.fstat(file).st_mode))
        finally:
            os.close(copy)
    finally:
        os.close(file)
