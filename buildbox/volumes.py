"""Volumes of the engine's whose folder belongs to the user that a task runs as."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from buildbox.container import NAME_LABEL, RUN_LABEL, ContainerSpec, Volume
from buildbox.engine.protocol import Engine


@contextmanager
def reached(engine: Engine, image_id: str, volumes: Sequence[Volume], run: str) -> Iterator[str]:
    """A container that has the volumes and never starts, for `put_tree`, `get_tree` and `own`.

    Raises ImageMissing, EngineError.
    """
    labels = ((NAME_LABEL, f"buildbox-{run}-volumes-{os.urandom(3).hex()}"), (RUN_LABEL, run))
    # Its root can be written, else engines refuse what `own` does; nothing is left of it.
    spec = ContainerSpec(
        image_id, ("true",), (), "/", "0:0", volumes=tuple(volumes), read_only=False, labels=labels
    )
    container = engine.create(spec)
    try:
        yield container
    finally:
        engine.remove(container)


def own(
    engine: Engine, container: str, targets: Sequence[str], user: tuple[int, int], epoch: int = 0
) -> None:
    """Gives the folders `targets` of a container that may be written to `user`, with mode 0755.

    By way of the folder above: engines pass over a tar's entry for the folder that they unpack it in.
    `epoch` is their modification time.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for target in targets:
            folder = tarfile.TarInfo(f"{target.lstrip('/')}/")
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, epoch
            folder.uid, folder.gid = user
            tar.addfile(folder)
    engine.put_tree(container, "/", [data.getvalue()])
