"""A FakeEngine's containers: processes of this machine."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from buildbox.container import ContainerSpec


class Pipes:
    """The Stream of a process: a socket for stdin, as an engine's is, and two pipes."""

    def __init__(self) -> None:
        self.stdin, self._write_end = socket.socketpair()
        self._readers = selectors.DefaultSelector()
        self.stdout, self.stderr = self._pipe(1), self._pipe(2)

    def read(self) -> tuple[int, Sequence[memoryview]] | None:
        while self._readers.get_map():
            key = self._readers.select()[0][0]
            data = os.read(key.fd, 1 << 16)
            if data:
                return key.data, [memoryview(data)]
            self._readers.unregister(key.fd)
            os.close(key.fd)
        return None

    def write(self, data: bytes) -> None:
        self._write_end.sendall(data)

    def close_stdin(self) -> None:
        with suppress(OSError):
            self._write_end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.let_go()
        self._write_end.close()
        for key in list((self._readers.get_map() or {}).values()):
            os.close(key.fd)
        self._readers.close()

    def let_go(self) -> None:
        """Closes the process's ends, here; it has them itself, or has never started."""
        self.stdin.close()
        for descriptor in (self.stdout, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.stderr = -1

    def _pipe(self, stream: int) -> int:
        read_end, write_end = os.pipe()
        self._readers.register(read_end, selectors.EVENT_READ, stream)
        return write_end


@dataclass
class FakeContainer:
    """One command, from its creation to its end."""

    spec: ContainerSpec
    pipes: Pipes | None = None
    process: subprocess.Popen[bytes] | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        try:
            self.process = self._popen(self.spec.argv)
        except OSError as error:  # as an engine's init says it
            status = 127 if isinstance(error, FileNotFoundError) else 126
            self.process = self._popen(("/bin/sh", "-c", 'echo "$1" >&2; exit "$0"', str(status), str(error)))
        if self.pipes:
            self.pipes.let_go()
        threading.Thread(target=self._reap, args=(self.process,), daemon=True).start()

    def signal(self, number: int) -> None:
        if self.process and not self._ended.is_set():
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def wait(self) -> int:
        """The status as a shell says it: a death by signal n is 128+n."""
        if not self.process:
            return 0
        self._ended.wait()
        status = self.process.wait()
        return status if status >= 0 else 128 - status

    def _popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        pipes = self.pipes
        return subprocess.Popen(
            argv,
            stdin=pipes.stdin.fileno() if pipes and self.spec.stdin else subprocess.DEVNULL,
            stdout=pipes.stdout if pipes else subprocess.DEVNULL,
            stderr=pipes.stderr if pipes else subprocess.DEVNULL,
            env=self.environment(),
            cwd=self.workdir(),
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether it ran and does so no more."""
        return self._ended.is_set()

    def environment(self) -> dict[str, str]:
        """What its processes see."""
        return {"PATH": os.defpath, **dict(self.spec.env)}

    def workdir(self) -> str:
        """The host's folder behind the container's."""
        for bind in self.spec.binds:
            if f"{self.spec.workdir}/".startswith(f"{bind.target}/"):
                return bind.source + self.spec.workdir.removeprefix(bind.target)
        return "/bin" if self.spec.workdir == "/bin" else "/"  # the host's programs are the image's

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """With a container's first process all others end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # signals are the main thread's
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._ended.set()
