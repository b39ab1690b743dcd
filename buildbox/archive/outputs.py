"""What is in the tar of a result's outputs (trees/packing.py), told without writing any of it."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator

from buildbox.archive.chunks import ChunkFile
from buildbox.digest import CHUNK
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.packing import Bounded


def entries_of(tar: Iterator[bytes]) -> tuple[Entry, ...]:
    """What `packing.unpack` would give for a tar that `packing.pack` made, read to its end.

    Raises ValueError where that didn't make it: for hard links and devices, names that are there twice, and
    what is no tar.
    """
    found: dict[str, Entry] = {}
    try:
        with tarfile.open(
            fileobj=ChunkFile(tar),
            mode="r|",
            bufsize=CHUNK,
            tarinfo=Bounded,
            encoding="utf-8",
            errors="surrogateescape",
        ) as members:
            while member := members.next():
                if member.name in found:
                    raise ValueError(f"{member.name!r} is there twice")
                found[member.name] = _entry(member, members)
                members.members = []  # type: ignore[attr-defined] # it would remember them all
    except tarfile.TarError as error:
        raise ValueError(f"the outputs are no tar: {error}") from None
    for _ in tar:  # what hashes right was read to its end
        pass
    full = {path.rpartition("/")[0] for path in found}
    return tuple(found[path] for path in sorted(found.keys() - full, key=os.fsencode))


def _entry(member: tarfile.TarInfo, members: tarfile.TarFile) -> Entry:
    if member.isdir():
        return Entry(member.name, FOLDER, "", 0)
    if member.issym():
        target = os.fsencode(member.linkname)
        return Entry(member.name, LINK, hashlib.sha256(target).hexdigest(), len(target))
    content = members.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise ValueError(f"{member.name!r} is neither file, folder nor link")
    hasher = hashlib.sha256()
    while chunk := content.read(CHUNK):
        hasher.update(chunk)
    mode = PROGRAM if member.mode & 0o100 else FILE
    return Entry(member.name, mode, hasher.hexdigest(), member.size)
