"""What an engine gets to build from: the recipe's folder as a tar, the same bytes for the same files.

Owner, times and order are fixed, and of modes only whether a file is executable counts, as in git: so a fresh
clone finds what was built before. Links stay links, and nothing is read through them.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from buildbox.digest import CHUNK
from buildbox.errors import ConfigError
from buildbox.recipes.record import RECORD

IGNORE = ".dockerignore"
TIME = 315_532_800  # seconds since the epoch: 1980, which every format can write
_BLOCK = 512  # bytes; tar's unit


def read_ignore(folder: Path) -> list[str]:
    """The patterns of the folder's .dockerignore (Dockerfile reference, ".dockerignore file"), and our own:
    what was built last is nothing to build from. Raises ConfigError."""
    path = folder / IGNORE
    lines: list[str] = []
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{path} is a link to a file outside of the recipe", "Put the file itself there.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    wanted = (line.strip() for line in lines if not line.startswith("#"))
    return [*filter(None, wanted), RECORD]


def context_tar(folder: Path, names: Sequence[str], own: Mapping[str, bytes]) -> Iterator[bytes]:
    """The tar, in chunks: what is at `names` in the folder, and files of our `own` instead or besides.

    Sockets, pipes and devices are left out. Raises ConfigError where a file can't be read.
    """
    for name in sorted({*names, *own}):
        if name in own:
            yield _header(name, tarfile.REGTYPE, 0o644, len(own[name])) + _padded(own[name])
            continue
        try:
            yield from _member(folder / name, name)
        except OSError as error:
            raise ConfigError(f"{folder / name} can't be read: {error.strerror}") from None
    yield bytes(2 * _BLOCK)


def _member(path: Path, name: str) -> Iterator[bytes]:
    state = path.lstat()
    if stat.S_ISDIR(state.st_mode):
        yield _header(name, tarfile.DIRTYPE, 0o755)
    elif stat.S_ISLNK(state.st_mode):
        yield _header(name, tarfile.SYMTYPE, 0o777, target=str(path.readlink()))
    elif stat.S_ISREG(state.st_mode):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            yield _header(name, tarfile.REGTYPE, 0o755 if state.st_mode & 0o100 else 0o644, state.st_size)
            left = state.st_size
            while left and (chunk := file.read(min(left, CHUNK))):
                left -= len(chunk)
                yield chunk
            if left or file.read(1):
                raise ConfigError(f"{path} was changed while it was read", "Build again.")
            yield bytes(-state.st_size % _BLOCK)


def _header(name: str, kind: bytes, mode: int, size: int = 0, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, size, target, TIME
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)
