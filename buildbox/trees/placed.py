"""What was placed in a working tree, as a record on the disk: what it was, and how it looked then."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildbox.digest import CHUNK
from buildbox.trees.entry import FOLDER, LINK, Entry
from buildbox.trees.faults import explained
from buildbox.trees.folders import CREATE, READ, Folders

_VERSION = 1
_ASIDE = ".aside-"  # how names of files begin that get another one soon
Look = tuple[int, int, int, int, int]  # inode, size, mtime (ns), ctime (ns), mode; zeros where not known


@dataclass(frozen=True)
class Placed:
    """An output in the working tree."""

    entry: Entry
    look: Look


@dataclass(frozen=True)
class Record:
    """What a task placed; after a kill also what it was about to place, then a path may be there twice."""

    files: tuple[Placed, ...] = ()
    folders: tuple[tuple[str, Look], ...] = ()  # those that hold nothing but outputs


def read_record(path: Path) -> Record:
    """The record in the file `path`; an empty one where there is none, or none that can be read."""
    try:
        value = json.loads(path.read_bytes())
        if value["version"] != _VERSION:
            return Record()
        return Record(
            tuple(Placed(Entry(*entry), _look(look)) for entry, look in value["files"]),
            tuple((str(folder), _look(look)) for folder, look in value["folders"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return Record()


def write_record(path: Path, record: Record) -> None:
    """Puts the record into the file `path`, in one step. Raises OSError."""
    value = {
        "version": _VERSION,
        "files": [(each.entry, each.look) for each in record.files],
        "folders": record.folders,
    }
    aside = path.with_name(f"{_ASIDE}{os.urandom(6).hex()}")
    try:
        aside.write_text(json.dumps(value, separators=(",", ":")))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def alone(record: Path) -> Iterator[None]:
    """The block runs while no other process places outputs of the project; leftovers of dead ones go first.

    Makes the record's folder. Raises OSError.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    with Folders(record.parent) as folder:
        fcntl.flock(folder.root, fcntl.LOCK_EX)
        for left in record.parent.glob(f"{_ASIDE}*"):
            left.unlink(missing_ok=True)
        yield


def allowed_modes(folder: Path) -> int:
    """The permissions that a new file in `folder` may have: what the umask leaves. Raises OSError."""
    aside = folder / f"{_ASIDE}{os.urandom(6).hex()}"
    file = os.open(aside, CREATE, 0o777)
    try:
        return stat.S_IMODE(os.fstat(file).st_mode)
    finally:
        os.close(file)
        aside.unlink()


def state_of(tree: Folders, path: str) -> os.stat_result | None:
    """What is at `path`, links not followed; None where nothing is, or no folder before it."""
    folder, _, name = path.rpartition("/")
    try:
        return os.stat(name, dir_fd=tree.enter(folder), follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def look_of(state: os.stat_result | None) -> Look:
    """How a file looks; two that look the same are the same, unless somebody took pains to have it so."""
    if state is None:
        return (0, 0, 0, 0, 0)
    size = 0 if stat.S_ISDIR(state.st_mode) else state.st_size
    return (state.st_ino, size, state.st_mtime_ns, state.st_ctime_ns, state.st_mode)


def is_unchanged(tree: Folders, placed: Iterable[Placed]) -> bool:
    """Whether what is there now is one of `placed`, all of which have the same path."""
    digest = ""
    for each in placed:
        state = state_of(tree, each.entry.path)
        if state is None:
            return False
        if look_of(state) == each.look:
            return True
        if not digest:
            digest = _digest(tree, each.entry.path, state)
        if digest == each.entry.digest and stat.S_ISLNK(state.st_mode) == (each.entry.mode == LINK):
            return each.entry.mode != FOLDER
    return False


def _digest(tree: Folders, path: str, state: os.stat_result) -> str:
    folder, _, name = path.rpartition("/")
    parent = tree.enter(folder)
    if stat.S_ISLNK(state.st_mode):
        return hashlib.sha256(os.fsencode(os.readlink(name, dir_fd=parent))).hexdigest()
    if not stat.S_ISREG(state.st_mode):
        return "-"
    hasher = hashlib.sha256()
    try:
        file = os.open(name, READ, dir_fd=parent)
    except PermissionError:
        return "-"  # not as it was placed
    try:
        while data := os.read(file, CHUNK):
            hasher.update(data)
    finally:
        os.close(file)
    return hasher.hexdigest()


def _look(value: list[int]) -> Look:
    inode, size, mtime, ctime, mode = value
    return (inode, size, mtime, ctime, mode)


def is_placed(entries: Sequence[Entry], root: Path, record: Path) -> bool:
    """Whether `entries`, and nothing else of their task, are in the working tree as `place` left them.

    Files are only looked at, not read.
    """
    known = read_record(record)
    if sorted(each.entry for each in known.files) != sorted(entries):
        return False
    if not known.files:
        return True
    with explained("read", str(root)), Folders(root) as tree:
        looks = [(each.entry.path, each.look) for each in known.files]
        return all(look_of(state_of(tree, path)) == look for path, look in (*looks, *known.folders))
