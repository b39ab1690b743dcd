"""One file of a tree, and the digest of a whole one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from buildbox.digest import Digest

FILE, PROGRAM, LINK, FOLDER = 0o100644, 0o100755, 0o120000, 0o040000  # git's modes (gitformat-index(5))


class Entry(NamedTuple):
    """A file, a symbolic link, or a folder that is empty. Other modes are rounded to one of the four."""

    path: str  # relative to the tree, parts joined by "/", never "." or ".." among them; surrogateescape
    mode: int  # FILE, PROGRAM, LINK or FOLDER
    digest: str  # sha256 (hex) of the content, of a link's target; "" for a folder
    size: int  # bytes of the content, of a link's target; 0 for a folder


def tree_digest(entries: Iterable[Entry]) -> Digest:
    """The digest of a tree: sha256 over `MODE DIGEST PATH\\0` of each entry, sorted by the paths' bytes.

    Sizes follow from contents. Raises ValueError where a path is there twice.
    """
    lines = sorted((entry.path.encode(errors="surrogateescape"), entry) for entry in entries)
    hasher, before = hashlib.sha256(), None
    for path, entry in lines:
        if path == before:
            raise ValueError(f"{entry.path} is there twice")
        before = path
        hasher.update(b"%06o %s %s\0" % (entry.mode, entry.digest.encode(), path))
    return Digest(hasher.hexdigest())
