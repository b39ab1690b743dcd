"""Trees of files for tests: written from values, read back as values."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry

STRANGER = 23456  # a uid and gid without rights
T = TypeVar("T")


def file(path: str, content: bytes | str = b"", mode: int = FILE) -> Entry:
    """The entry of a file with `content`."""
    data = content.encode() if isinstance(content, str) else content
    return Entry(path, mode, hashlib.sha256(data).hexdigest(), len(data))


def program(path: str, content: bytes | str = b"") -> Entry:
    return file(path, content, PROGRAM)


def link(path: str, target: str) -> Entry:
    return file(path, os.fsencode(target), LINK)


def folder(path: str) -> Entry:
    return Entry(path, FOLDER, "", 0)


def write(top: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files below `top`: "name" a file, "name*" a program, "name@" a link, "name/" a folder."""
    top.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = top / name.rstrip("*@")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif name.endswith("@"):
            path.symlink_to(os.fsdecode(content))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o755 if name.endswith("*") else 0o644)
    return top


def seen(top: Path) -> dict[str, str]:
    """What is below `top`, as `write` takes it; folders only where they are empty. .buildbox isn't shown."""
    found: dict[str, str] = {}
    for path in sorted(top.rglob("*")):
        name, state = str(path.relative_to(top)), path.lstat()
        if name.split("/")[0] == ".buildbox":
            continue
        if stat.S_ISLNK(state.st_mode):
            found[f"{name}@"] = str(path.readlink())
        elif stat.S_ISREG(state.st_mode):
            found[f"{name}*" if state.st_mode & 0o100 else name] = path.read_text()
        elif not list(path.iterdir()):
            found[f"{name}/"] = ""
    return found


def as_stranger(do: Callable[[], T]) -> T:
    """What `do` gives, or raises, in a process without root's rights. Its modules are to be loaded before."""
    if os.getuid():
        return do()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            os.setgroups([])
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setresuid(STRANGER, STRANGER, STRANGER)
            try:
                answer: tuple[T | None, str] = (do(), "")
            except Exception as error:
                answer = (None, f"{type(error).__name__}: {error}")
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result, fault = pickle.load(pipe)
    os.waitpid(child, 0)
    if fault:
        raise RuntimeError(fault)
    return result  # type: ignore[no-any-return]
