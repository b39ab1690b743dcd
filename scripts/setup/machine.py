"""What this machine has already. Looking changes nothing."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from buildbox.engine.find import Address, cannot_reach, find_address, how_to_get_one
from buildbox.errors import BuildboxError
from buildbox.host import Host

LOOKED_FOR = (
    "dockerd",
    "iptables",
    "mmdebstrap",
    "newuidmap",
    "docker-registry",
    "git",
    "busybox",
    "openssl",
    "faketime",
    "diffoscope",
    "skopeo",
    "zstd",
    "sshd",
    "podman",
    "/usr/lib/podman/netavark",
    "/usr/lib/podman/aardvark-dns",
    "catatonit",
    "rootlesskit",
    "slirp4netns",
)
STAMP = ".buildbox-stamp"  # in .venv: what its content was made from


@dataclass(frozen=True)
class Machine:
    """The facts that decide what there is to do."""

    root: Path  # the checkout
    system: str  # its name, for people
    uid: int
    gid: int
    user: str
    apt: bool  # has apt-get
    sudo: bool  # has a sudo that asks for no password
    systemd: bool  # runs under it
    commands: frozenset[str]  # of LOOKED_FOR, those that are there
    ensurepip: bool  # this Python can make virtual environments
    venv_ready: bool  # .venv is there and made from today's pyproject.toml
    engine: str  # the address of the engine that answers, "" where none does
    engine_problem: str  # why the engine that is there, or that the user has named, can't be used
    engine_advice: str  # how to get an engine on this very system

    @property
    def may_install(self) -> bool:
        """Whether there is a way to root's rights that asks nothing."""
        return self.uid == 0 or self.sudo


def look(root: Path, env: Mapping[str, str], uid: int, gid: int) -> Machine:
    """The facts of the machine that this process runs on."""
    path = env.get("PATH", "")
    home = Path(env.get("HOME") or "/")
    host = Host(root, env, uid, gid, False, False, False, time.time(), home, home)
    engine, problem = _look_for_engine(host)
    return Machine(
        root=root,
        system=_system_name(),
        uid=uid,
        gid=gid,
        user=_user_name(uid),
        apt=shutil.which("apt-get", path=path) is not None,
        sudo=uid != 0 and shutil.which("sudo", path=path) is not None and _succeeds("sudo", "-n", "true"),
        systemd=Path("/run/systemd/system").is_dir(),
        commands=frozenset(name for name in LOOKED_FOR if shutil.which(name, path=path)),
        ensurepip=importlib.util.find_spec("ensurepip") is not None,
        venv_ready=venv_stamp(root) == _read(root / ".venv" / STAMP) and venv_works(root),
        engine=engine,
        engine_problem=problem,
        engine_advice=how_to_get_one(host),
    )


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether an engine answers `GET /_ping` at `url` (unix:// or tcp:// without TLS).

    Raises OSError where there is no way to it.
    """
    parts = urlsplit(url)
    with contextlib.ExitStack() as stack:
        if parts.scheme == "unix":
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(timeout)
            connection.connect(parts.path)
        else:
            place = (parts.hostname or "localhost", parts.port or 2375)
            connection = stack.enter_context(socket.create_connection(place, timeout))
        connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
        return b" 200 " in connection.recv(64)


def venv_stamp(root: Path) -> str:
    """What a `.venv` made now would be made from: the checkout's place, its pyproject.toml."""
    return hashlib.sha256(b"\0".join([bytes(root), (root / "pyproject.toml").read_bytes()])).hexdigest()


def venv_works(root: Path) -> bool:
    """Whether the Python and the pip in `.venv` run."""
    return _succeeds(str(root / ".venv/bin/python"), "-c", "import pip")


def _look_for_engine(host: Host) -> tuple[str, str]:
    """(address of the engine that buildbox would use and that answers, why it can't be used)."""
    try:
        address = find_address(host, None)
    except BuildboxError as error:
        named = "DOCKER_HOST" in host.env or "context" in error.reason
        return "", f"{error.reason}. {error.hint}" if named else ""
    if _needs_more_than_a_socket(address):
        return address.url, ""  # ssh or TLS: somebody has set it up; buildbox will say if it doesn't answer
    try:
        if answers(address.url):
            return address.url, ""
        problem = "it gives no proper answer"
    except PermissionError:
        problem = "Permission denied"
    except OSError as error:
        if address.why == "the usual socket":  # left behind by an engine that is no more
            return "", ""
        problem = str(error)
    refusal = cannot_reach(host, address, problem)
    return "", f"{refusal.reason}. {refusal.hint}"


def _needs_more_than_a_socket(address: Address) -> bool:
    return not address.url.startswith(("unix://", "tcp://", "http://")) or address.tls_folder is not None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _system_name() -> str:
    """PRETTY_NAME of os-release(5), where there is one."""
    for line in _read(Path("/etc/os-release")).splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return sys.platform


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _succeeds(*command: str) -> bool:
    try:
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return False
    return process.returncode == 0
