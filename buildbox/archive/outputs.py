"""The outputs of a result as one tar: the same bytes for the same entries, and back only as what they are.

A tar is read in the order of the entries, and each member must be the entry whose turn it is: its name,
kind, mode, size and content. Whatever else may be in a tar is an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from buildbox.archive import files
from buildbox.archive.chunks import ChunkFile
from buildbox.digest import CHUNK
from buildbox.errors import ArchiveError
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry

if TYPE_CHECKING:
    import tarfile

_MODES = {FILE: 0o644, PROGRAM: 0o755, LINK: 0o777, FOLDER: 0o755}
_BLOCK = 512
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Readable(Protocol):
    """A file."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at its end."""


class OutputChanged(ArchiveError):
    """An output isn't what it was when it was taken in."""


def pack(folder: Path, entries: Sequence[Entry]) -> Iterator[bytes]:
    """A tar of `entries`, which are in `folder`. Raises OutputChanged where one isn't what it was.

    All owners are 0, all times too: the digest depends on nothing but the entries.
    """
    import tarfile

    for entry in entries:
        path = folder / entry.path
        info = tarfile.TarInfo(entry.path)
        info.mode = _MODES[entry.mode]
        try:
            if entry.mode == FOLDER:
                info.type = tarfile.DIRTYPE
                yield _header(info)
            elif entry.mode == LINK:
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - Path would tidy it up
                if hashlib.sha256(os.fsencode(info.linkname)).hexdigest() != entry.digest:
                    raise _changed(entry)
                yield _header(info)
            else:
                info.size = entry.size
                yield _header(info)
                yield from _content(path, entry)
        except OSError as error:
            raise OutputChanged(f"the output {entry.path!r} can't be read: {error.strerror}") from error
    yield bytes(2 * _BLOCK)


def unpack(tar: Iterator[bytes], to: Path, entries: Sequence[Entry]) -> None:
    """Writes the outputs that are in `tar` into the empty folder `to`; nothing but `entries` comes out of it.

    No entry is above another one (result_form.check_entries). Raises ValueError where the tar holds anything
    else, or a link leads out of `to`, which may hold a part then; OSError where it can't be written.
    """
    made = {to}
    for entry, member, content in _members(tar, entries):
        path = to / entry.path
        _make_folder(path if entry.mode == FOLDER else path.parent, made)
        if entry.mode == LINK:
            path.symlink_to(member.linkname)
        elif entry.mode != FOLDER:
            _write(path, entry, content)
    _check_links(to, entries)


def verify(tar: Iterator[bytes], entries: Sequence[Entry]) -> None:
    """Raises ValueError where `unpack` would, but for links that lead out."""
    for entry, _, content in _members(tar, entries):
        _check(entry, content, lambda chunk: None)


def _members(
    tar: Iterator[bytes], entries: Sequence[Entry]
) -> Iterator[tuple[Entry, tarfile.TarInfo, Iterable[bytes]]]:
    """Each entry with its member, and with its content, which is to be read before the next."""
    import tarfile

    try:
        with tarfile.open(
            fileobj=ChunkFile(tar), mode="r|", encoding="utf-8", errors="surrogateescape", bufsize=CHUNK
        ) as members:
            for entry in entries:
                member = members.next()
                if member is None or not _is(entry, member):
                    raise ValueError(f"the outputs lack {entry.path!r}, or have something else in its place")
                content = members.extractfile(member) if member.isreg() else None
                yield entry, member, _chunks(content) if content else ()
                members.members = []  # type: ignore[attr-defined] # it would remember them all
            if members.next() is not None:
                raise ValueError("there is more in the outputs than their list says")
    except tarfile.TarError as error:
        raise ValueError(f"the outputs are no tar: {error}") from None
    for _ in tar:  # what hashes right was read to its end
        pass


def _make_folder(path: Path, made: set[Path]) -> None:
    missing = []
    while path not in made:
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(_MODES[FOLDER])
        made.add(folder)


def _write(path: Path, entry: Entry, content: Iterable[bytes]) -> None:
    file = os.open(path, _NEW, 0o644)
    try:
        _check(entry, content, lambda chunk: files.write_all(file, chunk))
        os.fchmod(file, _MODES[entry.mode])
    finally:
        os.close(file)


def _check(entry: Entry, content: Iterable[bytes], write: Callable[[bytes], None]) -> None:
    if entry.mode not in (FILE, PROGRAM):
        return
    hasher = hashlib.sha256()
    for chunk in content:
        hasher.update(chunk)
        write(chunk)
    if hasher.hexdigest() != entry.digest:
        raise ValueError(f"the output {entry.path!r} has other bytes than its digest says")


def _is(entry: Entry, member: tarfile.TarInfo) -> bool:
    """Whether a member is what the entry says, as far as its header tells."""
    if member.name != entry.path or member.mode != _MODES[entry.mode] or member.issparse():
        return False
    if entry.mode == FOLDER:
        return member.isdir()
    if entry.mode == LINK:
        target = os.fsencode(member.linkname)
        return member.issym() and hashlib.sha256(target).hexdigest() == entry.digest
    return member.isreg() and member.size == entry.size


def _check_links(to: Path, entries: Sequence[Entry]) -> None:
    """All links are there by now: where each one leads is what the file system says."""
    inside = os.path.realpath(to)
    for entry in entries:
        if entry.mode == LINK:
            path = to / entry.path
            absolute = path.readlink().is_absolute()
            if absolute or not f"{os.path.realpath(path)}/".startswith(f"{inside}/"):
                raise ValueError(f"the link {entry.path!r} leads out of the tree")


def _header(info: tarfile.TarInfo) -> bytes:
    import tarfile

    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(path: Path, entry: Entry) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    left = entry.size
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        for chunk in _chunks(file):
            left -= len(chunk)
            if left < 0:
                raise _changed(entry)
            hasher.update(chunk)
            yield chunk
    if left or hasher.hexdigest() != entry.digest:
        raise _changed(entry)
    yield bytes(-entry.size % _BLOCK)


def _chunks(file: Readable) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _changed(entry: Entry) -> OutputChanged:
    return OutputChanged(f"the output {entry.path!r} was changed while it was kept", "Run the task again.")
