"""A capsule's tar, made an archive in a folder: read once, each byte accounted for."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from buildbox.archive import files
from buildbox.archive.layout import LAYOUT
from buildbox.capsule.form import BLOBS, INDEX_FILE, LAYOUT_FILE, MAGIC, MAX_FILES, MAX_INDEX, README
from buildbox.capsule.members import Malformed, Member, read_members
from buildbox.digest import Digest
from buildbox.errors import CantTell
from buildbox.units import show_size

_MAX_README = 1 << 20  # bytes


def take_apart(file: BinaryIO, into: Path) -> dict[Digest, int]:
    """Writes the layout into the folder `into`; gives the sizes of its blobs, each of which hashes to its
    name. Raises Malformed; CantTell where there is no room; OSError.
    """
    _need_room(into, os.fstat(file.fileno()).st_size)
    members = read_members(file)
    readme = _small(members, README, _MAX_README)
    if not readme.startswith(MAGIC):
        raise Malformed("its README isn't that of a capsule")
    if _small(members, LAYOUT_FILE, len(LAYOUT)) != LAYOUT:
        raise Malformed("its image layout is of another version")
    index = _small(members, INDEX_FILE, MAX_INDEX)
    blobs = into / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    found: dict[Digest, int] = {}
    last = ""
    for member in members:
        if len(found) == MAX_FILES:
            raise Malformed(f"it has more than {MAX_FILES} files")
        digest = _blob_digest(member)
        if digest.hex <= last:
            raise Malformed(f"{member.name} is there twice, or not in its place")
        _write(blobs, digest, member)
        found[digest], last = member.size, digest.hex
    if Digest.of(readme) not in found:
        raise Malformed("its README isn't the one that was put in")
    (into / INDEX_FILE).write_bytes(index)
    (into / LAYOUT_FILE).write_bytes(LAYOUT)
    return found


def _need_room(into: Path, size: int) -> None:
    into.mkdir(parents=True, exist_ok=True)
    state = os.statvfs(into)
    free = state.f_bavail * state.f_frsize
    if free < size:
        raise _no_room(into, f"{show_size(size)} are needed, {show_size(free)} are free")


def _no_room(folder: Path, text: str) -> CantTell:
    return CantTell("there is no room to take the capsule apart", missing=[f"room at {folder}: {text}"])


def _small(members: Iterator[Member], name: str, limit: int) -> bytes:
    member = next(members, None)
    if member is None or member.name != name:
        raise Malformed(f"{name} isn't where a capsule has it")
    if member.size > limit:
        raise Malformed(f"{name} is too large")
    return b"".join(member.chunks)


def _blob_digest(member: Member) -> Digest:
    if not member.name.startswith(BLOBS):
        raise Malformed(f"it has a file that no capsule has: {member.name}")
    return Digest.parse(f"sha256:{member.name.removeprefix(BLOBS)}")


def _write(blobs: Path, digest: Digest, member: Member) -> None:
    """Not synced: nobody counts on it after a power cut."""
    hasher = hashlib.sha256()
    file = os.open(blobs / digest.hex, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for chunk in member.chunks:
            hasher.update(chunk)
            files.write_all(file, chunk)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(blobs, "it is used up") from error
        raise
    finally:
        os.close(file)
    if hasher.hexdigest() != digest.hex:
        raise Malformed(f"{member.name} has other bytes than its name says")
