"""The one narrow way to a container engine. `docker.py` is its implementation; tests bring another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from buildbox.container import ContainerSpec
from buildbox.errors import EngineError
from buildbox.oci import Platform


class ImageMissing(EngineError):
    """The engine's store has no image of this id. Caught by whoever can fetch it."""


class BuildFailed(EngineError):
    """An image can't be built: what the engine says of the instruction that failed."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself."""

    name: str  # "Docker Engine", "Podman Engine"
    version: str
    api_version: str
    address: str  # the URL it was reached at
    platform: str  # os/architecture of the containers it runs
    store: str  # "classic (overlay2)" or "containerd (overlayfs)"
    rootless: bool
    root_folder: str  # where it keeps its data, on its own machine
    system_time: float | None = None  # what its clock shows, in seconds since the epoch
    kernel: str = ""  # of its machine; "" where it doesn't say
    cpus: int = 0  # of its machine; 0 where it doesn't say
    unlimited: tuple[
        str, ...
    ] = ()  # what it can't keep containers from taking: memory, processors, processes


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    status: int  # 0-255; 128+n for a death by signal n
    out_of_memory: bool = False  # the kernel killed it, or a program of it, at its memory limit


class Stream(Protocol):
    """The two ends of an attached container. `read` and `write` may be called from two threads."""

    def read(self) -> tuple[int, Sequence[memoryview]] | None:
        """The next output: 1 (stdout, or a tty's) or 2 (stderr), and its bytes; None at the end.

        The views are valid until the next call. Raises EngineError when the engine went away.
        """

    def write(self, data: bytes) -> None:
        """Bytes for the container's stdin. Blocks where nobody reads, until `close_stdin`: then OSError."""

    def close_stdin(self) -> None:
        """End of file for the container's stdin, and an end to a blocked `write`.

        Output still flows, but a tty's: engines take that for a terminal that was hung up.
        """

    def close(self) -> None:
        """Lets go of the connection."""


class Engine(Protocol):
    """All that buildbox asks of an engine. Every method raises EngineError when it fails."""

    @property
    def address(self) -> str:
        """The URL it was reached at."""

    def info(self) -> EngineInfo:
        """What the engine says of itself."""

    def platform(self) -> Platform:
        """The platform of the containers that it runs."""

    def has_path(self, path: str) -> bool:
        """Whether there is a file or folder `path` on the engine's machine, as the engine sees it.

        It makes nothing there.
        """

    def has_image(self, image_id: str) -> bool:
        """Whether the engine's store holds an image of exactly this id."""

    def find_image(self, name: str) -> str | None:
        """The id of the image that a person calls `name`, by a tag or an id's beginning; None for none.

        Only where a person asks by name: what a tag means may change at any time.
        """

    def load(self, tar: Iterable[bytes]) -> None:
        """Streams an image archive into the engine's store."""

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
        """Builds an image; gives the ids of its stages' images, the result's last.

        `context` is a tar, `dockerfile` a path in it, whose images are named by bare ids (64 hex digits): a
        registry is never asked for those. `log` gets the lines that are printed; `args` are build arguments;
        `network` is that of the instructions that run, "" for the engine's default. However it ends, by an
        exception out of `log` too, the engine stops building and removes its containers.
        Raises BuildFailed.
        """

    def save(self, image_id: str) -> Iterator[bytes]:
        """The image as an image archive, a tar."""

    def drop_image(self, image_id: str) -> None:
        """Forgets an untagged image, and what only it is made of; nothing if it is gone or in use."""

    def create(self, spec: ContainerSpec) -> str:
        """Makes a container and gives its id.

        Raises ImageMissing where the store has no image `spec.image`; nothing is ever pulled.
        """

    def attach(self, container: str, spec: ContainerSpec) -> Stream:
        """Connects to the container's stdin, stdout and stderr; before its start, so nothing is lost."""

    def wait(self, container: str, *, after_output: bool = False) -> Ended:
        """Blocks until the container has ended.

        `after_output`: its output has ended. Where it runs on then, the connection was lost: EngineError.
        """

    def start(self, container: str) -> None:
        """Starts a created container."""

    def is_running(self, container: str) -> bool:
        """Whether a container, by its id or the beginning of it, runs; not if there is none."""

    def signal(self, container: str, name: str) -> None:
        """Sends a signal (`SIGINT`) to the container's first process; nothing if it has ended."""

    def resize(self, container: str, rows: int, columns: int) -> None:
        """Tells the container's tty the size of its window; nothing if it has ended."""

    def read_file(self, container: str, path: str) -> bytes | None:
        """The bytes of a regular file in a created or running container; None where there is none.

        Raises ImageError where it has more than 4 MiB: whose image it is may not fill our memory.
        """

    def put_tree(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        """Unpacks a tar in the folder `path` of a created or running container, with its owners and modes.

        In a read-only root file system only where `path` lies in a volume. Not into a tmpfs. The folder
        itself keeps its owner. Raises EngineError where it isn't there; Podman makes it.
        """

    def get_tree(self, container: str, path: str) -> Iterator[bytes]:
        """The file or folder `path` of a container, running or ended, as a tar; it begins with the last name.

        Nothing where there is no such path.
        """

    def execute(self, container: str, argv: Sequence[str], *, user: str = "") -> tuple[int, bytes]:
        """Runs a command in a running container to its end; its status, and its first 64 KiB of output.

        `user` is the container's own where it is empty. A program that isn't there is status 126 or 127.
        """

    def make_volume(self, name: str, labels: Mapping[str, str]) -> bool:
        """A named volume; whether it is new, which it is for one of those who make it at the same time."""

    def volumes(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        """Names of the volumes that carry `label` (with `value`), and its value there."""

    def remove_volume(self, name: str) -> None:
        """Removes a volume; nothing if it is gone. Raises EngineError where a container has it."""

    def make_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> str:
        """A bridge network, and its id. From an `internal` one nothing outside can be reached.

        Not even the engine's machine itself; but under Podman that one, at the network's first address.
        """

    def networks(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        """Ids of the networks that carry `label` (with `value`), and its value there."""

    def remove_network(self, network: str) -> None:
        """Removes a network; nothing if it is gone.

        Raises EngineError where a running container is in it; Podman removes it nevertheless.
        """

    def remove(self, container: str) -> None:
        """Kills and removes a container and its anonymous volumes; nothing if it is gone."""

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        """Ids of all containers, running or not, that carry `label` (with `value`), and its value there."""

    def close(self) -> None:
        """Lets go of connections."""
