"""Which of an engine's containers buildbox is in: with it a run ends, whatever becomes of its notes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from buildbox.engine.protocol import Engine
from buildbox.engine.sight import nonce
from buildbox.mounts import mounts_here

_FILES = (Path("/etc/hostname"), Path("/etc/hosts"), Path("/etc/resolv.conf"))  # mounted in each, by its id
_ID = re.compile(r"/(?:overlay-)?containers/([0-9a-f]{64})/")  # Docker's folders, and Podman's


def own_container(engine: Engine, folders: Iterable[Path]) -> str:
    """The id of the engine's container that this process is in; "" where that isn't certain.

    Containers that share a network share those files, too. So one of `folders` must be in the container's own
    file system, and a file that is made there must be in the engine's container of that id.
    Raises EngineError.
    """
    mounts = mounts_here()
    ids = [found[1] for mount in mounts if mount.point in _FILES and (found := _ID.search(mount.root))]
    points = {mount.point for mount in mounts if mount.point != Path("/")}
    for folder in folders if ids else ():
        if points.isdisjoint((folder, *folder.parents)):
            try:
                with nonce(folder, points) as file:
                    return ids[0] if engine.read_file(ids[0], str(file)) is not None else ""
            except OSError:
                continue  # it can't be written
    return ""
