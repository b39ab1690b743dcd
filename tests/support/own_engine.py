"""An engine of a test's own: in namespaces of its own, so that it disturbs no other and dies whole.

Its program is the machine's dockerd, or that of another root file system; what it changes there is in memory.
The tests' files have the same paths for it as for the tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.roots import debian_root

CHECKOUT = Path(__file__).parents[2]
SHARED = (CHECKOUT, Path(tempfile.gettempdir()))

# Arguments: the root, a folder for overlays, how many folders are shared, these, the command.
_ENTER = """
root=$1 over=$2 count=$3
shift 3
mount -t tmpfs tmpfs "$over"
mkdir "$over/upper" "$over/work" "$over/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$over/upper,workdir=$over/work" "$over/root"
cd "$over/root"
while [ "$count" -gt 0 ]; do
    mkdir -p ".$1"
    mount --rbind "$1" ".$1"
    count=$((count - 1))
    shift
done
mkdir -p .old
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
pivot_root . .old
umount -l /.old
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
"""


@dataclass(frozen=True)
class Program:
    """An engine's program: where it comes from, and how it starts with all of its data in a folder."""

    command: Callable[[Path], list[str]]
    files: Callable[[Path], Mapping[str, str]] = lambda folder: {}  # what `folder` holds before the start
    env: Callable[[Path], Mapping[str, str]] = lambda folder: {}
    suite: str = ""  # the Debian release that has it; "" for the machine's own
    packages: tuple[str, ...] = field(default=())


def dockerd(folder: Path) -> list[str]:
    """The command of a Docker Engine without networks."""
    return [
        *("dockerd", "--host", f"unix://{folder}/engine.sock", "--data-root", f"{folder}/data"),
        *("--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid", "--iptables=false"),
        *("--bridge", "none"),
    ]


def docker_of(suite: str, *, containerd: bool) -> Program:
    """The Docker Engine of a Debian release, with its classic or with containerd's image store."""
    settings = json.dumps({"features": {"containerd-snapshotter": containerd}})

    def command(folder: Path) -> list[str]:
        # With a bridge, which builds are connected to; nothing is behind it.
        plain = dockerd(folder)[:-2]
        return [*plain, "--ip6tables=false", "--ip-masq=false", "--config-file", f"{folder}/daemon.json"]

    return Program(
        command, lambda folder: {"daemon.json": settings}, suite=suite, packages=("docker.io", "iptables")
    )


def podman_of(suite: str) -> Program:
    """The Podman of a Debian release, or ("") of this machine, as root."""
    # Its own limits are above what root without CAP_SYS_RESOURCE may set; crun wants another kind of cgroups.
    settings = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
    return Program(
        lambda folder: [
            *("podman", "--root", f"{folder}/data", "--runroot", f"{folder}/run"),
            *("--tmpdir", f"{folder}/tmp", "--network-config-dir", f"{folder}/networks"),
            *("system", "service", "--time", "0", f"unix://{folder}/engine.sock"),
        ],
        lambda folder: {"containers.conf": settings},
        lambda folder: {"CONTAINERS_CONF": f"{folder}/containers.conf"},
        suite,
        ("podman", "runc", "netavark", "aardvark-dns", "catatonit", "iptables"),
    )


HERE = Program(dockerd)


@dataclass(frozen=True)
class OwnEngine:
    """A running engine. The first process of its pid namespace is the engine itself."""

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
def own_engine(folder: Path, program: Program = HERE) -> Iterator[OwnEngine]:
    """An engine with its data in `folder`, which must have a short path (a socket's has 108 bytes)."""
    socket = folder / "engine.sock"
    for name, text in program.files(folder).items():
        (folder / name).write_text(text)
    command = program.command(folder)
    if program.suite:
        root = debian_root(f"{program.packages[0]}-{program.suite}", program.suite, program.packages)
        over = folder / "over"
        over.mkdir()
        shared = [str(path) for path in SHARED]
        command = ["sh", "-euc", _ENTER, "enter", str(root), str(over), str(len(shared)), *shared, *command]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *command],
            env={**os.environ, **program.env(folder)},
            cwd=folder,  # where Podman's monitor leaves a file when memory runs out
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
