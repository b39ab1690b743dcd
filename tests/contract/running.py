"""Containers of an engine under test, from their making to their end."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, Engine, Stream
from tests.support.engines import Subject

LABEL = "buildbox.tests.contract"


def sh(subject: Subject, script: str, **changes: object) -> ContainerSpec:
    values: dict[str, object] = {
        "image": subject.image,
        "argv": ("/bin/sh", "-c", script),
        "env": (("PATH", "/bin:/usr/bin"),),
        "workdir": "/",
        "user": "0:0",
        "labels": ((LABEL, "yes"),),
    }
    return ContainerSpec(**{**values, **changes})  # type: ignore[arg-type]


@contextmanager
def created(engine: Engine, spec: ContainerSpec) -> Iterator[str]:
    container = engine.create(spec)
    try:
        yield container
    finally:
        engine.remove(container)


def read_all(stream: Stream) -> dict[int, bytes]:
    output = {1: bytearray(), 2: bytearray()}
    while (chunk := stream.read()) is not None:
        for view in chunk[1]:
            output[chunk[0]] += view
    return {number: bytes(data) for number, data in output.items()}


def run(engine: Engine, spec: ContainerSpec, stdin: bytes = b"") -> tuple[Ended, dict[int, bytes]]:
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        engine.start(container)
        if spec.stdin:
            threading.Thread(target=feed, args=(stream, stdin), daemon=True).start()
        output = read_all(stream)
        return engine.wait(container), output


def feed(stream: Stream, data: bytes) -> None:
    stream.write(data)
    stream.close_stdin()


def wait_until_running(stream: Stream) -> None:
    """For scripts whose first words are `echo ready`."""
    chunk = stream.read()
    assert chunk is not None and bytes(chunk[1][0]) == b"ready\n"


def tar_of(*members: tuple[str, bytes | None, int]) -> Iterator[bytes]:
    """Members are names, contents (None for a folder), and their owner; in small pieces."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content, owner in members:
            member = tarfile.TarInfo(name)
            member.uid = member.gid = owner
            member.mtime, member.mode = 315532800, 0o640
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o750
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    for at in range(0, len(data.getvalue()), 1000):
        yield data.getvalue()[at : at + 1000]
