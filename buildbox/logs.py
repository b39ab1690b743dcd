"""What each step wrote, kept in the project: `.buildbox/logs/<UTC time>-<run>/<step>.log`.

The raw bytes of both streams in the order in which they came, the middle of more than 64 MiB left out. Where
the project can't be written, in a temporary folder that is gone at the end.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from buildbox.capped import CAP, RECORD, Capped
from buildbox.frames import Sink, left_out
from buildbox.spool import open_spool
from buildbox.workspace import FOLDER, open_own

KEPT_RUNS = 20
_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-z]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,@\[\]-]")
_LONGEST = 120  # characters of a file's name without its end
_READ = 1 << 18


class Tee:
    """An Output that gives all it gets to several others, in their order. Raises OSError as they do."""

    def __init__(self, *outputs: Sink) -> None:
        self._outputs = outputs

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole."""
        for output in self._outputs:
            output.write(stream, views)


class Log:
    """An Output that keeps what it is given. A log that can't be written is no reason for a task to fail:
    `fault` then says why there is no more of it."""

    def __init__(self, logs: Logs, name: str) -> None:
        self.name = name
        self.fault: OSError | None = None
        self.written = 0  # bytes
        self._logs = logs
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._capped: Capped | None = None

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole."""
        with self._lock:
            if self.fault:
                return
            try:
                capped = self._capped or self._begin()
                for view in views:
                    self.written += len(view)
                    _append(capped, view)
            except OSError as error:
                self.fault = error

    def close(self) -> None:
        """The file is complete, until more is written: then that comes behind it."""
        with self._lock:
            if self._capped is None or self._descriptor is None:
                return
            try:
                if not self.fault:
                    self._capped.finish(lambda count: [left_out(count)])
            except OSError as error:
                self.fault = error
            finally:
                self._capped.close()
                os.close(self._descriptor)
                self._capped = self._descriptor = None

    def _begin(self) -> Capped:
        folder = self._logs.folder()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(file_name(self.name), flags, 0o644, dir_fd=folder)
        self._capped = Capped(self._descriptor, lambda: open_spool(folder), self._logs.cap)
        return self._capped


class Logs:
    """The logs of one run. A folder is made when the first output comes; may be used from any thread."""

    def __init__(self, root: Path, run: str, now: float, *, temporary: Path, cap: int = CAP) -> None:
        """`now` in seconds since the epoch; `temporary` is where logs go that the project can't take."""
        self.cap = cap
        self._root = root
        self._run = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f"-{run}"
        self._temporary = temporary
        self._lock = threading.Lock()
        self._logs: dict[str, Log] = {}
        self._folder: int | None = None
        self._path: Path | None = None
        self._kept = True

    def log(self, name: str) -> Log:
        """The log of the step `name`; always the same one."""
        with self._lock:
            return self._logs.setdefault(name, Log(self, name))

    def path(self, name: str) -> Path | None:
        """The file with the log of `name`; None where there is none, or none that stays."""
        if self._path and self._kept and self.log(name).written:
            return self._path / f"{file_name(name)}"
        return None

    def beside(self, name: str) -> list[str]:
        """The names of the logs of what ran beside the step `name`, its services, that hold anything."""
        with self._lock:
            return [
                log.name for log in self._logs.values() if log.name.startswith(f"{name}+") and log.written
            ]

    def read(self, name: str, last: int | None = None) -> Iterator[bytes]:
        """What the log of `name` holds, or its `last` bytes; all of it once it is closed.

        Nothing where there is none. Raises OSError.
        """
        if self._folder is None or not self.log(name).written:
            return
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(file_name(name), flags, dir_fd=self._folder)
        try:
            if last is not None:
                os.lseek(descriptor, max(0, os.fstat(descriptor).st_size - last), os.SEEK_SET)
            while data := os.read(descriptor, _READ):
                yield data
        finally:
            os.close(descriptor)

    @property
    def kept(self) -> Path | None:
        """The run's folder, where there is one that stays."""
        return self._path if self._kept else None

    def folder(self) -> int:
        """A descriptor of the run's folder, made now where it isn't there. Raises OSError."""
        with self._lock:
            if self._folder is None:
                self._folder = self._make()
            return self._folder

    def close(self) -> None:
        """All logs are complete; those that don't stay are removed."""
        for log in tuple(self._logs.values()):
            log.close()
        with self._lock:
            if self._folder is not None:
                os.close(self._folder)
                self._folder = None
                if not self._kept and self._path:
                    _remove(self._path)

    def _make(self) -> int:
        try:
            folder = open_own(self._root, "logs", self._run)
            self._path = self._root / FOLDER / "logs" / self._run
        except OSError:
            from tempfile import mkdtemp

            self._kept = False
            self._path = Path(mkdtemp(prefix="buildbox-", dir=self._temporary))
            return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(OSError):
            forget_old(self._root)
        return folder


def file_name(name: str) -> str:
    """The file of the step `name`: as much of it as any file system takes, and no two steps the same."""
    safe = _UNSAFE.sub("_", name)[:_LONGEST]
    if safe != name or name.startswith("."):
        safe = f"{safe.lstrip('.')}-{sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"
    return f"{safe}.log"


def forget_old(root: Path, keep: int = KEPT_RUNS) -> None:
    """Removes the logs of all runs of the project but the last `keep`. Raises OSError."""
    descriptor = open_own(root, "logs")
    try:
        runs = sorted(name for name in os.listdir(descriptor) if _RUN.fullmatch(name))  # noqa: PTH208
    finally:
        os.close(descriptor)
    for run in runs[:-keep]:
        with suppress(OSError):
            _remove(root / FOLDER / "logs" / run)


def _append(capped: Capped, view: memoryview) -> None:
    start = 0
    room = capped.room()
    if room:
        capped.append([view[:room]])
        start = room
    piece = min(RECORD, max(1, capped.cap // 16))
    while start < len(view):
        capped.append([view[start : start + piece]])
        start += piece


def _remove(folder: Path) -> None:
    """A folder of logs: files only, and no link is followed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):  # noqa: PTH208
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    folder.rmdir()
