"""An engine without containers: it runs a container's command as a process of this machine.

It keeps to buildbox/engine/protocol.py, as the contract suite proves, and can't do what takes a kernel's
help: users, limits, a root file system of one's own, terminals.
"""

from __future__ import annotations

import io
import json
import os
import selectors
import signal
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, EngineInfo, ImageMissing
from buildbox.errors import EngineError
from buildbox.oci import Platform
from tests.support.fake_build import Stored, build, exported

Files = Mapping[str, bytes]  # absolute path -> contents; regular files only


class FakeEngine:
    """An engine of local processes. `images` are ids and their files."""

    def __init__(self, images: Mapping[str, Files] | None = None, *, address: str = "unix:///fake") -> None:
        self.address = address
        self.images: dict[str, Files] = dict(images or {})
        self.builds: list[str] = []  # the network of each
        self.made: list[ContainerSpec] = []  # all that was ever created, for tests to look at
        self._stored: dict[str, Stored] = {}  # of images that were loaded or built
        self._built: dict[tuple[str, ...], str] = {}  # the cache: parent and instruction -> image
        self._containers: dict[str, _Container] = {}
        self._ids = count(1)

    @property
    def left(self) -> list[str]:
        """The containers that nobody has removed."""
        return list(self._containers)

    def info(self) -> EngineInfo:
        return EngineInfo(
            "Fake Engine", "1", "1.41", self.address, "linux/amd64", "classic (fake)", False, "/"
        )

    def platform(self) -> Platform:
        return Platform("linux", "amd64")

    def has_image(self, image_id: str) -> bool:
        return image_id in self.images

    def find_image(self, name: str) -> str | None:
        return next((i for i in self.images if i == name or i[7:].startswith(name)), None)

    def load(self, tar: Iterable[bytes]) -> None:
        data = b"".join(tar)
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for entry in json.loads(_read(archive, "manifest.json")):
                    layers = tuple(_read(archive, name) for name in entry["Layers"])
                    self._keep(Stored(_read(archive, entry["Config"]), layers))
        except (tarfile.TarError, LookupError, ValueError, TypeError, EOFError) as error:
            raise EngineError(f"the engine refused the image: {error}") from None

    def build(
        self,
        context: Iterator[bytes],
        dockerfile: str,
        log: Callable[[str], None],
        *,
        args: Mapping[str, str],
        cache: bool,
        network: str,
    ) -> tuple[str, ...]:
        self.builds.append(network)
        with tarfile.open(fileobj=io.BytesIO(b"".join(context))) as tar:
            files = {m.name: _read(tar, m.name) for m in tar if m.isfile()}
        known = self._built if cache else {}
        ids = build(files.pop(dockerfile).decode(), files, self._stored, known, log, next(self._ids))
        for image_id in ids:
            self._keep(self._stored[image_id])
        self._built.update(known)
        return ids

    def save(self, image_id: str) -> Iterator[bytes]:
        if image_id not in self._stored:
            raise EngineError(f"no such image: {image_id}")
        yield exported(self._stored[image_id])

    def drop_image(self, image_id: str) -> None:
        self.images.pop(image_id, None)
        self._stored.pop(image_id, None)

    def _keep(self, stored: Stored) -> None:
        self._stored[stored.image_id] = stored
        self.images[stored.image_id] = {k: v for layer in stored.layers for k, v in _files(layer).items()}

    def create(self, spec: ContainerSpec) -> str:
        if spec.image not in self.images:
            raise ImageMissing(f"no such image: {spec.image}")
        if spec.tty:
            raise EngineError("a FakeEngine has no terminals")
        container = f"fake{next(self._ids):06}"
        self.made.append(spec)
        self._containers[container] = _Container(spec)
        return container

    def attach(self, container: str, spec: ContainerSpec) -> _Pipes:
        found = self._find(container)
        if found.process:
            raise EngineError(f"a FakeEngine can't attach to a container that runs: {container}")
        found.pipes = _Pipes()
        return found.pipes

    def start(self, container: str) -> None:
        self._find(container).start()

    def wait(self, container: str) -> Ended:
        return Ended(self._find(container).wait())

    def signal(self, container: str, name: str) -> None:
        if container in self._containers:
            self._containers[container].signal(signal.Signals[name])

    def resize(self, container: str, rows: int, columns: int) -> None:
        pass

    def read_file(self, container: str, path: str) -> bytes | None:
        return self.images[self._find(container).spec.image].get(path)

    def remove(self, container: str) -> None:
        found = self._containers.pop(container, None)
        if found and found.process:
            found.signal(signal.SIGKILL)
            found.wait()

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        labels = [(key, dict(found.spec.labels)) for key, found in self._containers.items()]
        found = [(key, of_it[label]) for key, of_it in labels if label in of_it]
        return [(key, text) for key, text in found if value in (None, text)]

    def close(self) -> None:
        for container in list(self._containers):
            self.remove(container)

    def _find(self, container: str) -> _Container:
        if container not in self._containers:
            raise EngineError(f"no such container: {container}")
        return self._containers[container]


class _Pipes:
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
class _Container:
    """One command, from its creation to its end."""

    spec: ContainerSpec
    pipes: _Pipes | None = None
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
            env={"PATH": os.defpath, **dict(self.spec.env)},
            cwd=self._workdir(),
            start_new_session=True,
        )

    def _workdir(self) -> str:
        """The host's folder behind the container's."""
        for bind in self.spec.binds:
            if f"{self.spec.workdir}/".startswith(f"{bind.target}/"):
                return bind.source + self.spec.workdir.removeprefix(bind.target)
        return "/"

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """With a container's first process all others end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # signals are the main thread's
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._ended.set()


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return file.read()


def _files(layer: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {f"/{member.name}": _read(tar, member.name) for member in tar if member.isfile()}
