"""Engines behind ssh, as the docker command reaches them: `ssh HOST docker system dial-stdio`."""

from __future__ import annotations

import errno
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any
from urllib.parse import unquote, urlsplit

_OPTIONS = {
    "BatchMode": "yes",  # there are several connections, from the background: nobody could be asked
    "ClearAllForwardings": "yes",  # a port that is the caller's can be forwarded once
    "ConnectTimeout": "30",
}
_ENDING = 5  # seconds that ssh has to end when its connection has


def ssh_command(url: str, silence: int) -> tuple[str, ...]:
    """The command whose stdin and stdout are a connection to the engine at `url`, ssh://[USER@]HOST[:PORT][/SOCKET].

    It ends when nothing is heard of the other machine for about `silence` seconds.
    """
    parts = urlsplit(url)
    options = {**_OPTIONS, "ServerAliveInterval": str(max(1, silence // 3)), "ServerAliveCountMax": "3"}
    user = ("-l", unquote(parts.username)) if parts.username else ()
    port = ("-p", str(parts.port)) if parts.port else ()
    place = parts.netloc.rpartition("@")[2]  # the parts' hostname is in small letters
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    path = unquote(parts.path)
    there = ("docker", *(("--host", f"unix://{path}") if path.strip("/") else ()), "system", "dial-stdio")
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ("ssh", "-T", *words, *user, *port, "--", host, shlex.join(there))


def dial_ssh(command: Sequence[str]) -> socket.socket:
    """A connection through `command`. Raises OSError; what is wrong there is told by who reads from it."""
    ours, theirs = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115, as long as the socket
    try:
        with theirs:
            end = theirs.fileno()
            # In a session of its own: a Ctrl-C is for the task, and there is no terminal to ask at.
            process = subprocess.Popen(command, stdin=end, stdout=end, stderr=said, start_new_session=True)
    except OSError as error:
        ours.close()
        said.close()
        missing = isinstance(error, FileNotFoundError)
        raise OSError(error.errno, "there is no ssh on this machine" if missing else error.strerror) from None
    return SshSocket(ours, process, said)


class SshSocket(socket.socket):
    """Our end of a connection that a process carries; its end is told from a loss by the process's status."""

    def __init__(self, ours: socket.socket, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        super().__init__(fileno=ours.detach())
        self._process, self._said = process, said

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As socket.socket's. Raises ConnectionResetError, with ssh's words, where the connection is lost."""
        try:
            count = super().recv_into(buffer, nbytes, flags)
        except ConnectionError:  # it left what we had sent unread
            self._require_good_end()
            raise
        if not count:
            self._require_good_end()
        return count

    def close(self) -> None:
        """As socket.socket's; the process ends then."""
        super().close()
        if self.fileno() < 0:  # else a file that was made of it is still in use
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING)
            self._said.close()

    def _require_good_end(self) -> None:
        try:
            status = self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            return  # it told the end of what comes, and still takes what goes
        if status:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").splitlines()
            told = "; ".join(
                line.strip() for line in lines if line.strip() and not line.startswith("Warning:")
            )
            text = told or f"ssh ended with status {status}"
            raise ConnectionResetError(errno.ECONNRESET, text)
