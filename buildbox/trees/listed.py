"""A list of outputs that somebody else wrote: whether it can be one of a tree. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from buildbox.digest import Digest
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.names import OWN, name_problem

_MODES = frozenset({FILE, PROGRAM, LINK, FOLDER})
_LONGEST_LINK = 4096  # bytes of a link's target


def check_outputs(entries: Iterable[Entry]) -> None:
    """Raises ValueError where `entries` can't be the outputs of a task.

    No path leads out of the tree, none through another entry: no link is ever followed.
    """
    paths = {_check_entry(entry) for entry in entries}
    for path in paths:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in paths:
                raise ValueError(f"the output {folder!r} is above another one")


def _check_entry(entry: Entry) -> str:
    path, mode, digest, size = entry
    if not isinstance(path, str) or not isinstance(size, int) or size < 0 or mode not in _MODES:
        raise ValueError(f"an output is described wrongly: {entry!r}")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] in OWN:
        raise ValueError(f"the output {path!r} isn't in the tree")
    if problem := name_problem(path):
        raise ValueError(f"the output {path!r} {problem}")
    if mode == FOLDER:
        if digest != "" or size:
            raise ValueError(f"the folder {path!r} is described wrongly")
    elif not isinstance(digest, str) or (mode == LINK and size > _LONGEST_LINK):
        raise ValueError(f"the output {path!r} is described wrongly")
    else:
        Digest.parse(f"sha256:{digest}")
    return path
