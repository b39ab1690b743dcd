"""One container, run as a task is run: does it start, and whose are the files?"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildbox.container import RUN_LABEL, SOURCE, Bind, ContainerSpec
from buildbox.engine.protocol import Engine
from buildbox.errors import ArchiveError
from buildbox.execute import Streams
from buildbox.execute.life import execute

_TIMEOUT = 60.0  # seconds
# With what every shell has, in the workdir: read a file of the caller's, write one.
_SCRIPT = 'read -r line < outside; echo "$line"; echo inside > inside; exit 0'


@dataclass(frozen=True)
class Trial:
    """How it went."""

    image: str  # its name
    seconds: float  # from the container's creation to its end
    status: int
    output: str
    folder: Path  # of the caller, which the container saw
    read: bool = False  # the caller's file could be read inside
    owner: tuple[int, int] | None = None  # uid and gid, outside, of the file that was written inside
    timed_out: bool = False


def try_container(
    engine: Engine, image: str, image_id: str, *, data: Path, run: str, user: tuple[int, int]
) -> Trial:
    """Runs a container of `image_id` on a folder in `data`, as `user`. Raises EngineError, ArchiveError."""
    word = secrets.token_hex(8)
    output = _Output()
    with _folder(data) as folder:
        outside, inside = folder / "outside", folder / "inside"
        outside.touch(mode=0o600)
        outside.write_text(f"{word}\n")
        spec = ContainerSpec(
            image=image_id,
            argv=("/bin/sh", "-c", _SCRIPT),
            env=(),
            workdir=SOURCE,
            user=f"{user[0]}:{user[1]}",
            binds=(Bind(str(folder), SOURCE),),
            labels=((RUN_LABEL, run),),
        )
        begun = time.monotonic()
        outcome = execute(engine, spec, Streams(output, None, None), timeout=_TIMEOUT, say=_ignore)
        seconds = time.monotonic() - begun
        written = inside.lstat() if inside.exists() else None
    return Trial(
        image=image,
        seconds=seconds,
        status=outcome.status,
        output=output.text,
        folder=folder.parent,
        read=word in output.text,
        owner=(written.st_uid, written.st_gid) if written else None,
        timed_out=outcome.timed_out,
    )


@contextmanager
def _folder(data: Path) -> Iterator[Path]:
    """A folder below `data` for as long as the context."""
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=data) as name:
            yield Path(name)
    except OSError as error:
        raise ArchiveError(f"{data} can't be used: {error.strerror}") from error


class _Output:
    def __init__(self) -> None:
        self.text = ""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.text += b"".join(views).decode(errors="replace")


def _ignore(text: str) -> None:
    pass
