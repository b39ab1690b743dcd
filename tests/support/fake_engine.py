"""An engine without containers: it runs a container's command as a process of this machine.

It keeps to buildbox/engine/protocol.py, as the contract suite proves, and can't do what takes a kernel's
help: users, limits, a root file system of one's own, terminals.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, EngineInfo, ImageMissing
from buildbox.errors import EngineError
from buildbox.oci import Platform
from tests.support.fake_build import Stored, build, exported
from tests.support.fake_process import FakeContainer, Pipes

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
        self._containers: dict[str, FakeContainer] = {}
        self._volumes: dict[str, tuple[Mapping[str, str], Path]] = {}  # name -> labels, folder
        self._networks: dict[str, Mapping[str, str]] = {}
        self._ids = count(1)

    @property
    def left(self) -> list[str]:
        """The containers that nobody has removed."""
        return list(self._containers)

    def info(self) -> EngineInfo:
        return EngineInfo(
            name="Fake Engine",
            version="1",
            api_version="1.41",
            address=self.address,
            platform="linux/amd64",
            store="classic (fake)",
            rootless=False,
            root_folder="/",
            kernel=os.uname().release,
            cpus=os.cpu_count() or 1,
        )

    def platform(self) -> Platform:
        return Platform("linux", "amd64")

    def has_path(self, path: str) -> bool:
        return Path(path).exists()

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
        for volume in spec.volumes:
            if volume.name not in self._volumes:
                raise EngineError(f"a FakeEngine has no volume {volume.name!r}")
        if spec.tty:
            raise EngineError("a FakeEngine has no terminals")
        container = f"fake{next(self._ids):06}"
        self.made.append(spec)
        self._containers[container] = FakeContainer(spec)
        return container

    def attach(self, container: str, spec: ContainerSpec) -> Pipes:
        found = self._find(container)
        if found.process:
            raise EngineError(f"a FakeEngine can't attach to a container that runs: {container}")
        found.pipes = Pipes()
        return found.pipes

    def start(self, container: str) -> None:
        self._find(container).start()

    def wait(self, container: str, *, after_output: bool = False) -> Ended:
        return Ended(self._find(container).wait())

    def is_running(self, container: str) -> bool:
        found = self._containers.get(container)
        return bool(found and found.process and not found.ended)

    def signal(self, container: str, name: str) -> None:
        if container in self._containers:
            self._containers[container].signal(signal.Signals[name])

    def resize(self, container: str, rows: int, columns: int) -> None:
        pass

    def read_file(self, container: str, path: str) -> bytes | None:
        return self.images[self._find(container).spec.image].get(path)

    def put_tree(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        folder = self._behind(container, path)
        if folder is None or not folder.is_dir():
            raise EngineError(f"a FakeEngine has nothing writable at {path}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
            if hasattr(tarfile, "tar_filter"):  # Debian 12's own Python, 3.11.2, doesn't know it yet
                archive.extraction_filter = tarfile.tar_filter
            archive.extractall(folder)

    def get_tree(self, container: str, path: str) -> Iterator[bytes]:
        place, data = self._behind(container, path), io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            if place and os.path.lexists(place):
                archive.add(place, arcname=Path(path).name)
            else:
                file = self.read_file(container, path)
                if file is None:
                    return
                member = tarfile.TarInfo(Path(path).name)
                member.size = len(file)
                archive.addfile(member, io.BytesIO(file))
        yield data.getvalue()

    def execute(self, container: str, argv: Sequence[str], *, user: str = "") -> tuple[int, bytes]:
        found = self._find(container)
        if not found.process or found.ended:
            raise EngineError(f"container {container} is not running")
        try:
            done = subprocess.run(
                argv,
                env=found.environment(),
                cwd=found.workdir(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            return 127, str(error).encode()
        return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout[: 64 << 10]

    def make_volume(self, name: str, labels: Mapping[str, str]) -> bool:
        made = dict(labels), Path(tempfile.mkdtemp(prefix="fake-volume-"))
        if self._volumes.setdefault(name, made) is made:  # whatever other threads do
            return True
        made[1].rmdir()
        return False

    def volumes(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        return _labelled({name: labels for name, (labels, _) in self._volumes.items()}, label, value)

    def remove_volume(self, name: str) -> None:
        for found in self._containers.values():
            if name in (volume.name for volume in found.spec.volumes):
                raise EngineError(f"volume {name} is in use")
        if name in self._volumes:
            shutil.rmtree(self._volumes.pop(name)[1])

    def make_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> str:
        network = f"{name}-{next(self._ids)}"
        self._networks[network] = dict(labels)
        return network

    def networks(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        return _labelled(self._networks, label, value)

    def remove_network(self, network: str) -> None:
        for found in self._containers.values():
            inside = network in (found.spec.network, *found.spec.also_networks)
            if inside and found.process and not found.ended:
                raise EngineError(f"network {network} has active endpoints")
        self._networks.pop(network, None)

    def remove(self, container: str) -> None:
        found = self._containers.pop(container, None)
        if found and found.process:
            found.signal(signal.SIGKILL)
            found.wait()

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        of_each = {key: dict(found.spec.labels) for key, found in self._containers.items()}
        return _labelled(of_each, label, value)

    def close(self) -> None:
        for container in list(self._containers):
            self.remove(container)
        for volume in list(self._volumes):
            self.remove_volume(volume)

    def _behind(self, container: str, path: str) -> Path | None:
        """The host's path behind a container's, in a bind or a volume."""
        spec = self._find(container).spec
        places = [(bind.target, bind.source) for bind in spec.binds]
        places += [(volume.target, str(self._volumes[volume.name][1])) for volume in spec.volumes]
        for target, source in places:
            if f"{path}/".startswith(f"{target}/"):
                return Path(source + path.removeprefix(target))
        return None

    def _find(self, container: str) -> FakeContainer:
        if container not in self._containers:
            raise EngineError(f"no such container: {container}")
        return self._containers[container]


def _labelled(
    of_each: Mapping[str, Mapping[str, str]], label: str, value: str | None
) -> list[tuple[str, str]]:
    found = [(key, labels[label]) for key, labels in of_each.items() if label in labels]
    return [(key, text) for key, text in found if value in (None, text)]


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return file.read()


def _files(layer: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {f"/{member.name}": _read(tar, member.name) for member in tar if member.isfile()}
