"""All files below a folder, without git."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from buildbox.trees.faults import tree_error

OWN = ".buildbox"  # buildbox's own folder in the project
_GIT = ".git"


def walk(root: Path, start: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    """What is at and below `start` ("" for all) but isn't a folder, by paths in `root`. No link is followed.

    `wanted` says whether a folder ("src", relative to `root`) is worth a look. git's own folders and files
    never are, at any depth, nor is buildbox's at the top. Raises TreeError for a folder that can't be read.
    """
    if start and not (root / start).is_dir():
        if _may_be_input(start) and os.path.lexists(root / start):
            yield start
        return
    left = [start]
    while left:
        folder = left.pop()
        try:
            with os.scandir(root / folder) as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise tree_error("read", folder or str(root), error) from error
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name == _GIT or path == OWN:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield path
            elif wanted(path):
                left.append(path)


def _may_be_input(path: str) -> bool:
    parts = path.split("/")
    return _GIT not in parts and parts[0] != OWN
