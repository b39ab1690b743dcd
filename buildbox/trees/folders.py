"""Folders of a tree by file descriptors, so that a link which somebody puts in the way leads nowhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo doesn't block: it is refused later
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folders:
    """Goes from folder to folder of a tree, and keeps those open that lead to the current one.

    Fastest when asked in sorted order. `make` is the mode that missing folders are made with; None: they
    aren't. Every method raises OSError: NotADirectoryError or ELOOP where a link or a file is in the way.
    """

    def __init__(self, root: Path, make: int | None = None) -> None:
        self._make = make
        self._names: list[str] = []
        self._files = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    @property
    def root(self) -> int:
        """The tree's own folder, open."""
        return self._files[0]

    def enter(self, folder: str) -> int:
        """The folder `folder` ("" for the root), open until another one is entered."""
        names = folder.split("/") if folder else []
        kept = 0
        for mine, wanted in zip(self._names, names, strict=False):
            if mine != wanted:
                break
            kept += 1
        self._leave(kept)
        for name in names[kept:]:
            self._files.append(self._open(name))
            self._names.append(name)
        return self._files[-1]

    def close(self) -> None:
        """Closes them all."""
        self._leave(0)
        os.close(self._files.pop())

    def __enter__(self) -> Folders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, name: str) -> int:
        if name in ("", ".", ".."):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if self._make is None:
            return os.open(name, OPEN, dir_fd=self._files[-1])
        try:
            os.mkdir(name, self._make, dir_fd=self._files[-1])
        except FileExistsError:
            pass
        return os.open(name, OPEN, dir_fd=self._files[-1])

    def _leave(self, kept: int) -> None:
        while len(self._names) > kept:
            self._names.pop()
            os.close(self._files.pop())


def open_forced(name: str, parent: int) -> int:
    """Opens a folder, whatever mode a task left it with. Raises OSError."""
    try:
        file = os.open(name, OPEN, dir_fd=parent)
    except PermissionError:
        chmod(name, parent, 0o700, os.O_DIRECTORY)
        return os.open(name, OPEN, dir_fd=parent)
    if stat.S_IMODE(os.fstat(file).st_mode) & 0o700 != 0o700:
        try:
            os.fchmod(file, 0o700)
        except PermissionError:
            pass  # another's: it may do all the same
    return file


def chmod(name: str, parent: int, mode: int, flags: int = 0) -> None:
    """Changes the mode of a file or folder that may not even be opened; never a link's target.

    By way of proc(5), since fchmodat(2) can't leave links alone. Raises OSError.
    """
    file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=parent)
    try:
        if stat.S_ISLNK(os.fstat(file).st_mode):
            raise OSError("it is a link")
        os.chmod(f"/proc/self/fd/{file}", mode)  # noqa: PTH101
    finally:
        os.close(file)
