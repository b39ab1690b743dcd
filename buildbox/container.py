"""What will run: a Step of the plan and the facts of host and image, made into one frozen value. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host, seen in the container."""

    source: str  # absolute, on the engine's machine
    target: str  # absolute, in the container
    read_only: bool = False


@dataclass(frozen=True)
class Tmpfs:
    """A folder in memory that is gone with the container."""

    target: str
    options: str  # as mount(8) takes them, e.g. "mode=1777,exec"


@dataclass(frozen=True)
class ContainerSpec:
    """Everything an engine is told about a container; what isn't here, a task can't have."""

    image: str  # the engine's id for it, sha256:…; never a tag
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]  # sorted by name
    workdir: str
    user: str  # "uid:gid"
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    network: str = "none"
    hostname: str = "buildbox"
    read_only: bool = True
    memory: int | None = None  # bytes
    cpus: float | None = None
    pids: int = 4096
    tty: bool = False
    stdin: bool = False
    window: tuple[int, int] | None = None  # rows, columns of the tty
    labels: tuple[tuple[str, str], ...] = field(default=())
