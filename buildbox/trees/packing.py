"""A tree as a tar, the same bytes for the same tree; and a tar as a tree, whoever made it."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path

from buildbox.digest import CHUNK
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.faults import Changed, OutputRefused, TreeError, explained, shown, tree_error
from buildbox.trees.folders import CREATE, READ, Folders
from buildbox.trees.names import MAX_DEPTH, link_problem, name_problem, parents
from buildbox.trees.tar import END, header, padding

_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_HEADER = 1 << 20  # bytes of names, targets and attributes of one member
_MAX_HEADERS = 8  # before one member; tarfile calls itself for each
_MAX_PATH = 4096  # bytes; what Linux takes


def pack(
    folder: Path,
    entries: Sequence[Entry] | None,
    *,
    epoch: int,
    owner: tuple[int, int],
    without: Container[str] = (),
) -> Iterator[bytes]:
    """The tar of what `entries` names below `folder` (None: of all that is there), sorted by path.

    Folders come before what is in them, with modes of 0755 and files as their entries say; mtimes are `epoch`
    (seconds), `owner` is uid and gid, names of users are left out. The paths `without` are left out, but not
    the folders that they are in. Each file is held against its entry while
    it is read. Raises Changed where it isn't what its entry says, TreeError where it can't be read.
    """
    with explained("read", str(folder)), Folders(folder) as tree:
        found = sorted(_all(tree) if entries is None else entries, key=lambda entry: os.fsencode(entry.path))
        made: set[str] = set()
        block = bytearray()
        for entry in found:
            for parent in parents(entry.path):
                if parent not in made:
                    made.add(parent)
                    block += header(f"{parent}/", tarfile.DIRTYPE, 0o755, 0, epoch, owner)
            if entry.path in without:
                continue
            try:
                for piece in _packed(tree, entry, made, epoch, owner):
                    block += piece
                    if len(block) >= CHUNK:
                        yield bytes(block)
                        block.clear()
            except OSError as error:
                raise tree_error("read", entry.path, error) from error
        yield bytes(block) + END


def unpack(
    tar: Iterable[bytes],
    to: Path,
    *,
    below: str = "",
    wanted: Callable[[str], bool] | None = None,
    packed: bool = False,
    as_is: bool = False,
) -> tuple[Entry, ...]:
    """Writes what a tar holds into the folder `to`, and hashes it meanwhile; gives the entries, sorted.

    `below` is the folder of the tar that becomes `to` ("src"; what lies elsewhere is left out), `wanted` says
    which paths are taken but for folders, which always are. Modes are rounded, owners
    and times left out; an empty folder is an entry. Raises OutputRefused with all that is refused: absolute
    names and "..", devices, fifos, links that leave the tree, hard links to what isn't in it, what lies below
    a link or a file, a name that is there twice; sparse files, and, where it is one that `pack` made
    (`packed`), hard links: so the tree is no larger than the tar. `as_is`: inputs, whose names and links'
    targets are as a project has them. TreeError where the tar is damaged or `to` can't be written.
    """
    unpacking = _Unpacking(below, wanted or (lambda path: True), packed, as_is)
    with explained("written", str(to)):
        to.mkdir(parents=True, exist_ok=True)
        with Folders(to, make=0o755) as tree:
            try:
                with tarfile.open(
                    fileobj=_Reader(tar),
                    mode="r|",
                    bufsize=CHUNK,
                    tarinfo=Bounded,
                    encoding="utf-8",
                    errors="surrogateescape",
                ) as members:
                    while member := members.next():
                        unpacking.add(member, members, tree)
                        members.members = []  # type: ignore[attr-defined]  # else it keeps them all
            except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
                raise TreeError(f"a tar of outputs is damaged: {error}", "Run the task again.") from error
    return unpacking.result()


class Bounded(tarfile.TarInfo):
    """A member about which tarfile reads no more into memory than is needed for one that is real.

    What is overridden is where subclasses come in, as tarfile's source says. Raises tarfile.ReadError.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        before = getattr(tar, "headers_before", 0) if self.type in _HEADERS else -1
        if before >= 0 and self.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        if before >= _MAX_HEADERS:
            raise tarfile.ReadError(f"more than {_MAX_HEADERS} headers of one member")
        tar.headers_before = before + 1  # type: ignore[attr-defined]
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found

    def _proc_gnusparse_10(self, *given: object) -> None:
        raise tarfile.ReadError("a sparse file")


class _Refused(Exception):
    """Why one member isn't taken."""


class _Unpacking:
    """One `unpack`: what came so far, and what is wrong with it."""

    def __init__(self, below: str, wanted: Callable[[str], bool], packed: bool, as_is: bool) -> None:
        self._below = below.strip("/")
        self._wanted, self._packed, self._as_is = wanted, packed, as_is
        self._entries: dict[str, Entry] = {}  # folders too, empty or not
        self._problems: list[str] = []

    def add(self, member: tarfile.TarInfo, members: tarfile.TarFile, tree: Folders) -> None:
        try:
            path = self._path(member.name)
            if path is None or not (member.isdir() or self._wanted(path)):
                return
            if problem := _depth_problem(path) if self._as_is else name_problem(path):
                raise _Refused(problem)
            entry = self._write(path, member, members, tree)
        except _Refused as problem:
            self._problems.append(f"{shown(member.name)} {problem}")
        else:
            for parent in parents(path):
                self._entries.setdefault(parent, Entry(parent, FOLDER, "", 0))
            self._entries[path] = entry

    def result(self) -> tuple[Entry, ...]:
        if self._problems:
            raise OutputRefused(self._problems)
        full = {path.rpartition("/")[0] for path in self._entries}
        entries = (entry for path, entry in self._entries.items() if path not in full)
        return tuple(sorted(entries, key=lambda entry: os.fsencode(entry.path)))

    def _path(self, name: str) -> str | None:
        """Where a member goes; None where it isn't below what is taken, or is that itself."""
        if name.startswith("/"):
            raise _Refused("has an absolute name")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise _Refused('has ".." in its name')
        path = "/".join(parts)
        if self._below:
            start, slash, path = path.partition(f"{self._below}/")
            if start or not slash:
                return None
        return path or None

    def _write(self, path: str, member: tarfile.TarInfo, members: tarfile.TarFile, tree: Folders) -> Entry:
        self._check_place(path, member.isdir())
        folder, _, name = path.rpartition("/")
        if member.isdir():
            tree.enter(path)
            return Entry(path, FOLDER, "", 0)
        if member.issym():
            if problem := "" if self._as_is else link_problem(path, member.linkname):
                raise _Refused(problem)
            os.symlink(member.linkname, name, dir_fd=tree.enter(folder))
            target = os.fsencode(member.linkname)
            return Entry(path, LINK, hashlib.sha256(target).hexdigest(), len(target))
        mode = PROGRAM if member.mode & 0o100 else FILE
        if member.issparse():
            raise _Refused("is a sparse file")
        if member.islnk():
            if self._packed:
                raise _Refused("is a hard link")
            return self._copy(path, member.linkname, tree)
        content = members.extractfile(member) if member.isreg() else None
        if content is None:
            raise _Refused("is a device or a fifo")
        return _save(path, mode, content, tree.enter(folder), name)

    def _check_place(self, path: str, is_folder: bool) -> None:
        for parent in parents(path):
            before = self._entries.get(parent)
            if before and before.mode != FOLDER:
                raise _Refused(f"lies below {shown(parent)}, which is {_KINDS[before.mode]}")
        before = self._entries.get(path)
        if before and not (is_folder and before.mode == FOLDER):
            raise _Refused("is there twice")

    def _copy(self, path: str, original: str, tree: Folders) -> Entry:
        """A hard link, as a file of its own: else who writes one of the two would write both."""
        source = self._path(original)
        before = self._entries.get(source) if source else None
        if not source or not before or before.mode not in (FILE, PROGRAM):
            raise _Refused(f"is a hard link to {shown(original)}, which isn't taken")
        folder, _, name = source.rpartition("/")
        file = os.open(name, READ, dir_fd=tree.enter(folder))
        with open(file, "rb", buffering=0) as content:
            folder, _, name = path.rpartition("/")
            return _save(path, before.mode, content, tree.enter(folder), name)


def _depth_problem(path: str) -> str:
    """What is wrong with a path whose names are as a project has them: each folder is held open."""
    if path.count("/") >= MAX_DEPTH or len(os.fsencode(path)) > _MAX_PATH:
        return f"lies in more than {MAX_DEPTH} folders, or has a path of more than {_MAX_PATH} bytes"
    return ""


_KINDS = {FILE: "a file", PROGRAM: "a file", LINK: "a link"}


class _Reader(io.RawIOBase):
    """Pieces of bytes, read as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[memoryview] = []
        while size:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
            part = self._rest if size < 0 else self._rest[:size]
            self._rest = self._rest[len(part) :]
            size -= len(part) if size > 0 else 0
            parts.append(part)
        return b"".join(parts)


def _save(path: str, mode: int, content: object, folder: int, name: str) -> Entry:
    hasher, size = hashlib.sha256(), 0
    file = os.open(name, CREATE, 0o600, dir_fd=folder)
    try:
        os.fchmod(file, stat.S_IMODE(mode))
        while data := content.read(CHUNK):  # type: ignore[attr-defined]
            hasher.update(data)
            size += len(data)
            while data:
                data = data[os.write(file, data) :]
    finally:
        os.close(file)
    return Entry(path, mode, hasher.hexdigest(), size)


def _packed(
    tree: Folders, entry: Entry, made: set[str], epoch: int, owner: tuple[int, int]
) -> Iterator[bytes]:
    folder, _, name = entry.path.rpartition("/")
    if entry.mode == FOLDER:
        if entry.path not in made:
            made.add(entry.path)
            yield header(f"{entry.path}/", tarfile.DIRTYPE, 0o755, 0, epoch, owner)
    elif entry.mode == LINK:
        target = os.readlink(name, dir_fd=tree.enter(folder))
        if entry.digest and hashlib.sha256(os.fsencode(target)).hexdigest() != entry.digest:
            raise _changed(entry)
        yield header(entry.path, tarfile.SYMTYPE, 0o777, 0, epoch, owner, target)
    else:
        file = os.open(name, READ, dir_fd=tree.enter(folder))
        try:
            yield header(entry.path, tarfile.REGTYPE, stat.S_IMODE(entry.mode), entry.size, epoch, owner)
            yield from _content(file, entry)
        finally:
            os.close(file)
        yield padding(entry.size)


def _content(file: int, entry: Entry) -> Iterator[bytes]:
    hasher, left = hashlib.sha256(), entry.size
    while left and (data := os.read(file, min(left, CHUNK))):
        hasher.update(data)
        left -= len(data)
        yield data
    if left or os.read(file, 1) or (entry.digest and hasher.hexdigest() != entry.digest):
        raise _changed(entry)


def _changed(entry: Entry) -> Changed:
    return Changed(
        f"{shown(entry.path)} changed while it was packed", "Run it again when nothing changes it."
    )


def _all(tree: Folders) -> Iterator[Entry]:
    """Entries of all that is in a tree, without digests."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(tree.enter(folder)) as found:
            items = [(item.name, item.stat(follow_symlinks=False)) for item in found]
        for name, state in items:
            path = f"{folder}/{name}" if folder else name
            if stat.S_ISDIR(state.st_mode):
                waiting.append(path)
                yield Entry(path, FOLDER, "", 0)
            elif stat.S_ISLNK(state.st_mode):
                yield Entry(path, LINK, "", 0)
            elif stat.S_ISREG(state.st_mode):
                yield Entry(path, PROGRAM if state.st_mode & 0o100 else FILE, "", state.st_size)
            else:
                raise TreeError(f"{shown(path)} can't be packed: it is neither file, folder nor link")
