"""What an engine sees of this machine's files: all, nothing, or what a look through its eyes tells.

A socket of this machine may lead out of the container that buildbox is in, into a virtual machine, or by ssh
to another machine. What has the same path there may be an empty folder, or somebody else's.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from buildbox.engine.find import Address, in_container
from buildbox.engine.protocol import Engine
from buildbox.workspace import FOLDER

_ENGINES = ("dockerd", "podman", "systemd")  # the last one listens in their place until they are needed
_OUTSIDE = "this buildbox runs in a container; the engine at {} is outside of it"
_CREDENTIALS = struct.Struct("3i")  # ucred of unix(7): pid, uid, gid


class Peer(NamedTuple):  # a dataclass takes five times as long to load, which every run would pay for
    """Who listens at a socket of this machine."""

    pid: int  # 0: nobody that we could see
    name: str  # of its program; "" where it isn't told

    @property
    def root(self) -> Path:
        """Its file system, for who may look."""
        return Path(f"/proc/{self.pid}/root")


def peer_of(path: Path) -> Peer | None:
    """Who listens at the socket `path`; None where nobody does."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))
            data = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    pid: int = _CREDENTIALS.unpack(data)[0]
    try:
        return Peer(pid, Path(f"/proc/{pid}/comm").read_text().strip() if pid else "")
    except OSError:
        return Peer(pid, "")


class Outlook(NamedTuple):
    """What is known of an engine's sight without asking it."""

    sees_all: bool | None  # None: in doubt
    why: str = ""  # it may not see this machine's files; {} stands for its address
    peer: Peer | None = None
    is_outside: bool = False  # of the container that buildbox is in


def outlook(address: Address) -> Outlook:
    """What the engine at `address` may see. It takes 0.1 ms, and asks nothing of the engine."""
    if not address.is_local:
        return Outlook(False, "the engine at {} is on another machine")
    if sys.platform != "linux":
        return Outlook(None, "the engine at {} is in a virtual machine")
    peer = peer_of(address.path)
    if peer is None:
        return Outlook(True)  # it will be found missing when it is asked
    if peer.pid == 0:
        return Outlook(None, _OUTSIDE, peer, is_outside=True)
    if peer.name and peer.name not in _ENGINES:
        return Outlook(None, f"the engine at {{}} is reached by way of {peer.name}", peer)
    try:
        if Path(f"/proc/{peer.pid}/ns/mnt").samefile("/proc/self/ns/mnt"):
            return Outlook(True)
    except OSError:
        if not in_container():
            return Outlook(True)  # an engine of root's, of which nobody else may know more
    if in_container():
        return Outlook(None, _OUTSIDE, peer, is_outside=True)
    return Outlook(None, "the engine at {} has mounts of its own", peer)


class Sight:
    """What an engine sees; each folder in doubt is looked at once. Any thread may ask."""

    def __init__(self, engine: Engine, outlook: Outlook) -> None:
        self._engine = engine
        self.outlook = outlook
        self._known: dict[Path, bool] = {}
        self._mounts: tuple[Path, ...] = ()
        self._lock = threading.Lock()

    @property
    def told(self) -> str:
        """Which engine it is, and why it may not see all; for a person."""
        return self.outlook.why.replace("{}", self._engine.address)

    def sees(self, path: Path) -> bool:
        """Whether the engine sees the very file or folder `path`, under this path. Raises EngineError.

        Of what lies below a folder that it was asked for before, without a mount in between, it is known.
        """
        if self.outlook.sees_all is not None:
            return self.outlook.sees_all
        from buildbox.mounts import mounts_here

        with self._lock:
            self._mounts = self._mounts or tuple(mount.point for mount in mounts_here())
            place = path if path in self._mounts or path.is_dir() else path.parent
            for known, answer in self._known.items():
                if place == known or (known in place.parents and not self._mounted(known, place)):
                    return answer
            self._known[place] = self._look(place)
            return self._known[place]

    def sees_tree(self, folder: Path) -> bool:
        """The same, with all that is mounted in `folder`. Raises EngineError."""
        if not self.sees(folder):
            return False
        return self.outlook.sees_all is True or all(
            self.sees(point) for point in self._mounts if folder in point.parents
        )

    def _mounted(self, above: Path, place: Path) -> bool:
        """Whether something is mounted on the way from `above` to `place`."""
        return any(above in point.parents and point in (place, *place.parents) for point in self._mounts)

    def _look(self, place: Path) -> bool:
        peer = self.outlook.peer
        if peer and peer.name in _ENGINES:
            with suppress(OSError):
                if place.samefile(f"{peer.root}{place}"):
                    return True
        try:
            with nonce(place, self._mounts) as file:
                return self._engine.has_path(str(file))
        except OSError:
            return False  # nothing can be made there, so nothing can be proven: a file that is mounted, say


@contextmanager
def nonce(folder: Path, mounts: Container[Path]) -> Iterator[Path]:
    """A file in `folder` whose name nobody could guess; where buildbox has a folder of its own, in that.

    Raises OSError.
    """
    own = folder / FOLDER
    place = own if own.is_dir() and not own.is_symlink() and own not in mounts else folder
    file = place / f".buildbox-{os.urandom(12).hex()}"
    file.touch(mode=0o600, exist_ok=False)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
