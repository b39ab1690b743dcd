"""Files in volumes of the engine's: with their owner, and on engines that don't see this machine's files."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from buildbox.container import NAME_LABEL, RUN_LABEL, SOURCE, Bind, ContainerSpec, Volume
from buildbox.engine.protocol import Engine
from buildbox.errors import EngineError

_ETC = "/etc"
_COPIED = "/buildbox-sent"  # where `copy` sees what it copies
_THE_ENGINES = ("hostname", "hosts", "resolv.conf")  # files in it that engines mount their own over


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
    `epoch` is their modification time. Podman 4.3 takes a volume away again when a container first starts
    with it: it belongs to whoever has that folder in the image then, if the image has it.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for target in targets:
            folder = tarfile.TarInfo(f"{target.lstrip('/')}/")
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, epoch
            folder.uid, folder.gid = user
            tar.addfile(folder)
    engine.put_tree(container, "/", [data.getvalue()])


def copy(engine: Engine, image_id: str, source: str, target: str, run: str) -> bool:
    """Copies the files of the volume `source` into the volume `target`, by the image's own cp(1), as root.

    Whether it worked: not every image has one. Times of folders and links may be others then.
    Raises ImageMissing, EngineError.
    """
    labels = ((NAME_LABEL, f"buildbox-{run}-copy-{os.urandom(3).hex()}"), (RUN_LABEL, run))
    volumes = (Volume(source, _COPIED, read_only=True), Volume(target, SOURCE))
    argv = ("cp", "-a", f"{_COPIED}/.", f"{SOURCE}/")
    container = engine.create(ContainerSpec(image_id, argv, (), "/", "0:0", volumes=volumes, labels=labels))
    try:
        try:
            engine.start(container)
        except EngineError:
            return False  # it has no such program
        return engine.wait(container).status == 0
    finally:
        engine.remove(container)


@contextmanager
def carried(engine: Engine, spec: ContainerSpec, run: str) -> Iterator[ContainerSpec]:
    """`spec` for an engine that doesn't see this machine's files: those that it binds are in a volume.

    They are files below /etc, beside which the volume has what the image has there. It is gone after the
    context. Raises EngineError for any other bind; ImageMissing.
    """
    for bind in spec.binds:
        if not (bind.read_only and bind.target.startswith(f"{_ETC}/")):
            raise EngineError(
                f"{bind.source} can't be mounted: the engine at {engine.address} doesn't see it",
                "Use an engine of this machine.",
            )
    if not spec.binds:
        yield spec
        return
    volume = Volume(f"buildbox-{run}-etc-{os.urandom(3).hex()}", _ETC, copy=True)
    engine.make_volume(volume.name, {RUN_LABEL: run})
    try:
        with reached(engine, spec.image, [volume], run) as container:
            engine.put_tree(container, _ETC, [_tar_of(spec.binds)])
        held = replace(volume, read_only=spec.read_only)
        yield replace(spec, binds=(), volumes=(*spec.volumes, held))
    finally:
        engine.remove_volume(volume.name)


def _tar_of(binds: Sequence[Bind]) -> bytes:
    """The sources of the binds as files of root's, under their targets' names in /etc."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in _THE_ENGINES:  # which they couldn't make in a volume that is read-only
            tar.addfile(tarfile.TarInfo(name))
        for bind in binds:
            content = Path(bind.source).read_bytes()
            file = tarfile.TarInfo(bind.target.removeprefix(f"{_ETC}/"))
            file.size, file.mode = len(content), 0o644
            tar.addfile(file, io.BytesIO(content))
    return data.getvalue()
