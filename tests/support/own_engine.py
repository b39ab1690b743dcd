"""A Docker Engine of a test's own: in namespaces of its own, so that it disturbs no other and dies whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OwnEngine:
    """A running dockerd. The first process of its pid namespace is dockerd itself."""

    socket: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"unix://{self.socket}"

    def die(self) -> None:
        """Ends the engine at once, with all that it runs, as a power cut would."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children or [str(self.process.pid)]:
            os.kill(int(child), signal.SIGKILL)
        self.process.wait(timeout=20)


@contextmanager
def own_engine(folder: Path) -> Iterator[OwnEngine]:
    """A dockerd with its data in `folder`, which must have a short path (a socket's has 108 bytes)."""
    socket = folder / "engine.sock"
    dockerd = [
        *("dockerd", "--host", f"unix://{socket}", "--data-root", str(folder / "data")),
        *("--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid")),
        *("--bridge", "none", "--iptables=false"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *dockerd],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    engine = OwnEngine(socket, process)
    try:
        deadline = time.monotonic() + 60
        while not socket.exists():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield engine
    finally:
        if process.poll() is None:
            engine.die()
