"""What differs between two layers, file by file. Pure: tars as streams in, values out.

A layer (image-spec 1.1, layer.md) may have tens of thousands of files and a gigabyte: it is read as a stream,
and of each file only what stands in its header and a short hash of each of its blocks is kept.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, NamedTuple

from buildbox.comparing.finding import date, printable

OpenTar = Callable[[], AbstractContextManager[IO[bytes]]]  # the tar of a layer, uncompressed, from its start
SHOWN = 10  # files that differ, of each layer
_BLOCK = 1 << 16  # bytes
_HASH = 16  # bytes for each block: enough to tell that two are not the same
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "link",
    tarfile.DIRTYPE: "folder",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "pipe",
}


@dataclass(frozen=True)
class FileDifference:
    """One path, and all that is not the same of it."""

    path: str  # absolute; what can't be printed is escaped
    how: tuple[str, ...]  # "mode 0755 instead of 0644": the second is the pinned one's


@dataclass(frozen=True)
class Difference:
    """What differs between a pinned and a rebuilt layer."""

    count: int  # paths that differ
    files: tuple[FileDifference, ...]  # the first of them, in the order of their paths
    note: str = ""  # how the tars differ where no file does


class _Entry(NamedTuple):
    """A path as a layer has it."""

    kind: str
    mode: int
    owner: str  # uid:gid and the names that the tar has for them
    size: int  # bytes
    mtime: float  # seconds since the epoch
    target: str  # of a link
    device: tuple[int, int]
    extended: tuple[tuple[str, str], ...]  # attributes, in pax headers
    blocks: bytes  # the hashes of its contents


def compare_tars(pinned: OpenTar, rebuilt: OpenTar, shown: int = SHOWN) -> Difference:
    """The first `shown` paths that differ, and how. Each tar is read once or twice.

    Raises tarfile.TarError, and what the streams raise.
    """
    before, after = _entries(pinned), _entries(rebuilt)
    paths = sorted(
        (path for path in before.keys() | after.keys() if before.get(path) != after.get(path)),
        key=lambda path: path.split("/"),
    )
    if not paths:
        return Difference(0, (), _form(list(before), list(after)))
    named = paths[:shown]
    both = [path for path in named if path in before and path in after]
    blocks = {path: _first_other_block(before[path].blocks, after[path].blocks) for path in both}
    offsets = _offsets(
        pinned, rebuilt, {path: number for path, number in blocks.items() if number is not None}
    )
    return Difference(
        len(paths),
        tuple(
            FileDifference(printable(path), _how(before.get(path), after.get(path), offsets.get(path)))
            for path in named
        ),
    )


def _how(before: _Entry | None, after: _Entry | None, offset: int | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ("only in the pinned image" if before else "only in the rebuilt image",)
    pairs = (
        ("type", before.kind, after.kind),
        ("mode", f"{before.mode:04o}", f"{after.mode:04o}"),
        ("owner", before.owner, after.owner),
        ("size", str(before.size), str(after.size)),
        ("time", date(before.mtime), date(after.mtime)),
        ("link to", before.target or "nothing", after.target or "nothing"),
        ("device", "{}:{}".format(*before.device), "{}:{}".format(*after.device)),
        ("attributes", _attributes(before), _attributes(after)),
    )
    found = [f"{name} {printable(new)} instead of {printable(old)}" for name, old, new in pairs if old != new]
    if offset is not None:
        found.append(f"contents from byte {offset} on")
    return tuple(found)


def _entries(open_tar: OpenTar) -> dict[str, _Entry]:
    """Every path of the layer, in the tar's order; where it has one twice, the last counts."""
    found: dict[str, _Entry] = {}
    for member, contents in _members(open_tar):
        path = _path(member)
        found.pop(path, None)
        found[path] = _Entry(
            _KINDS.get(member.type, f"tar type {member.type!r}"),
            member.mode,
            f"{member.uid}:{member.gid} ({member.uname}:{member.gname})",
            member.size,
            member.mtime,
            member.linkname if member.islnk() or member.issym() else "",
            (member.devmajor, member.devminor) if member.isdev() else (0, 0),
            tuple(sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr."))),
            b"".join(hashlib.blake2b(block, digest_size=_HASH).digest() for block in contents),
        )
    return found


def _members(open_tar: OpenTar) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
    """Each member, with the blocks of its contents, to be read before the next."""
    with open_tar() as stream:
        with tarfile.open(fileobj=stream, mode="r|", errorlevel=1) as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]
                file = tar.extractfile(member) if member.isreg() else None
                yield member, _in_blocks(file)
        while stream.read(_BLOCK):  # to its end: only then its checksums are looked at
            pass


def _in_blocks(file: IO[bytes] | None) -> Iterator[bytes]:
    while file and (block := file.read(_BLOCK)):
        yield block


def _offsets(pinned: OpenTar, rebuilt: OpenTar, blocks: Mapping[str, int]) -> dict[str, int]:
    """For paths whose block of that number is the first that isn't the same: the first such byte."""
    if not blocks:
        return {}
    before, after = _blocks(pinned, blocks), _blocks(rebuilt, blocks)
    return {path: n * _BLOCK + _common(before[path], after[path]) for path, n in blocks.items()}


def _blocks(open_tar: OpenTar, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found = {}
    for member, contents in _members(open_tar):
        path = _path(member)
        if path in wanted:
            found[path] = next((b for n, b in enumerate(contents) if n == wanted[path]), b"")
    return found


def _first_other_block(before: bytes, after: bytes) -> int | None:
    """Its number, going by the hashes; None where the contents are the same."""
    ends = range(0, max(len(before), len(after)), _HASH)
    return next((at // _HASH for at in ends if before[at : at + _HASH] != after[at : at + _HASH]), None)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the start of both are the same."""
    return next((n for n, (a, b) in enumerate(zip_longest(one, other)) if a != b), len(one))


def _form(before: list[str], after: list[str]) -> str:
    """How two tars with the same files differ."""
    if before == after:
        return "the files are the same; only tar's own headers or padding differ"
    first = next(new for old, new in zip(before, after, strict=True) if old != new)
    return f"the files are the same, but in another order from {printable(first)} on"


def _path(member: tarfile.TarInfo) -> str:
    return "/" + "/".join(part for part in member.name.split("/") if part not in ("", "."))


def _attributes(entry: _Entry) -> str:
    return (
        ", ".join(f"{key.removeprefix('SCHILY.xattr.')}={value}" for key, value in entry.extended) or "none"
    )
