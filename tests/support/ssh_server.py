"""An ssh server of a test's own, at a port of this machine, and the client that knows it."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER = "/usr/sbin/sshd"  # it insists on its whole path

_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/mine.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH=/usr/local/bin:/usr/bin:/bin
"""
_CLIENT = """
IdentityFile {folder}/mine
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
"""


@dataclass(frozen=True)
class SshServer:
    """A running server, which lets whoever runs the tests in."""

    folder: Path
    port: int

    @property
    def programs(self) -> str:
        """A folder for the front of PATH: its ssh has the key, and knows the server.

        ssh itself takes its settings from the home that the user database tells, not from HOME.
        """
        return str(self.folder / "bin")

    def url(self, engine: Path) -> str:
        """The address of the engine whose socket on the server is `engine`."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{engine}"


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """A server with its keys in `folder`, which is empty."""
    for name in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "server").write_text(_SERVER.format(folder=folder, port=port))
    (folder / "client").write_text(_CLIENT.format(folder=folder))
    kind, key = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/client "$@"\n')
    (folder / "bin/ssh").chmod(0o755)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SERVER, "-D", "-e", "-f", folder / "server"], stderr=log)
    try:
        deadline = time.monotonic() + 20
        while b"listening" not in (folder / "log").read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        yield SshServer(folder, port)
    finally:
        process.terminate()
        process.wait(timeout=20)
