"""What a `.buildbox.toml` says, as frozen values; defaults are merged in, so readers look in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildbox.oci import Platform
from buildbox.reference import ImageRef

FILE_NAME = ".buildbox.toml"
DEFAULT_SHELL = ("/bin/sh", "-e", "-c")
DEFAULT_PIDS = 4096
DEFAULT_READY_TIMEOUT = 60.0  # seconds
SOURCE_DATE_EPOCH = 315532800  # 1980-01-01, the first day that a zip file can hold


@dataclass(frozen=True)
class Toolchain:
    """An image with tools in it."""

    name: str
    image: ImageRef  # may lack a digest: then nothing runs in it, and `pin` is the way on
    platform: Platform | None = None  # None: the engine's own
    shell: tuple[str, ...] = DEFAULT_SHELL  # what a task's `run` is handed to, as the last argument

    @property
    def key(self) -> tuple[str, str]:
        """Where the file has it."""
        return "toolchains", self.name

    @property
    def title(self) -> str:
        """What a person calls it among all that the project pins."""
        return self.name


@dataclass(frozen=True)
class MountEntry:
    """A mount as the project asks for it. Nothing here is checked against the disk: see `trust`."""

    source: str  # as written: relative to the project's root, or absolute
    target: str  # absolute and normalised, in the container
    read_only: bool = False


@dataclass(frozen=True)
class Matrix:
    """The variants of a task: every toolchain with every combination of values. Empty parts don't vary."""

    toolchain: tuple[str, ...] = ()  # names of toolchains
    env: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # variable -> its values


@dataclass(frozen=True)
class Service:
    """A container that runs beside a task, such as a database. At most one of `run` and `argv` is set."""

    name: str  # also its host name in the task's network
    image: ImageRef  # may lack a digest, as a toolchain's
    platform: Platform | None = None  # None: the engine's own
    run: str | None = None  # a script for /bin/sh -e -c, instead of the image's own command
    argv: tuple[str, ...] | None = None  # a program and its arguments, instead of the image's own
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None  # a command for /bin/sh -c in the service; status 0 says that it is ready
    ready_port: int | None = None  # or: it listens on this TCP port
    ready_timeout: float = DEFAULT_READY_TIMEOUT  # seconds
    memory: int | None = None  # bytes
    cpus: float | None = None
    pids: int = DEFAULT_PIDS
    user: str | None = None  # "root" or "uid:gid"; None: the image's own
    rootfs: str = "read-only"  # or "writable"

    @property
    def key(self) -> tuple[str, str]:
        """Where the file has it."""
        return "services", self.name

    @property
    def title(self) -> str:
        """What a person calls it among all that the project pins: a toolchain may have the same name."""
        return f"services.{self.name}"


Pinned = Toolchain | Service  # what has an image


@dataclass(frozen=True)
class Task:
    """A command that runs in a toolchain. Either `run` or `argv` is set; neither in `Config.defaults`."""

    name: str  # "" in Config.defaults
    description: str
    toolchain: str  # a key of Config.toolchains; "" only in Config.defaults
    run: str | None  # a script for the toolchain's shell
    argv: tuple[str, ...] | None  # a program and its arguments; no shell
    env: Mapping[str, str]
    pass_env: tuple[str, ...]  # names let through from the caller's environment
    workdir: str  # relative to the project's root, normalised; "." for the root itself
    network: str  # "none", "bridge" or the name of an engine's network
    mounts: tuple[MountEntry, ...]
    timeout: float | None  # seconds
    memory: int | None  # bytes
    cpus: float | None
    pids: int
    user: str  # "caller", "root" or "uid:gid"
    rootfs: str  # "read-only" or "writable"
    needs: tuple[str, ...] = ()  # addresses of tasks that pass before: "test", "test[python313,DJANGO=5]"
    matrix: Matrix | None = None
    services: tuple[str, ...] = ()  # keys of Config.services
    caches: Mapping[str, str] = field(default_factory=dict)  # name -> absolute path in the container
    secrets: tuple[str, ...] = ()  # names; each is a file in /run/secrets
    retries: int = 0  # attempts after the first one that failed
    hermetic: bool = False  # it sees only its inputs, and only its outputs come back
    inputs: tuple[str, ...] | None = None  # patterns; None: what git tracks or would add
    outputs: tuple[str, ...] = ()  # patterns; see trees/patterns.py
    cache: bool | None = None  # None: as its network allows; True: with a network, too; False: never
    source_date_epoch: int | None = SOURCE_DATE_EPOCH  # seconds; None: the time of HEAD's commit


@dataclass(frozen=True)
class Hooks:
    """What git's hooks run, as `buildbox hook install` writes them."""

    pre_commit: tuple[str, ...] | None = None  # addresses of tasks; None: nothing is said of it


@dataclass(frozen=True)
class Policy:
    """How old pinned images may be. Only `check` asks; None: as old as they are."""

    warn_pin_age: float | None = None  # seconds since an image was made, from which on it is said
    max_pin_age: float | None = None  # seconds from which on it is an error


@dataclass(frozen=True)
class Config:
    """A whole `.buildbox.toml`."""

    path: Path  # of the file
    name: str  # the project's; the folder's name where the file gives none
    default: tuple[str, ...]  # names of the tasks that a bare `run` runs
    toolchains: Mapping[str, Toolchain]  # in the file's order
    tasks: Mapping[str, Task]  # in the file's order, defaults merged in
    services: Mapping[str, Service]  # in the file's order
    defaults: Task  # what a command without a task (`exec`, `shell`) runs with
    policy: Policy = Policy()
    hooks: Hooks = Hooks()

    def images(self) -> tuple[Pinned, ...]:
        """All that has an image, of which each wants a pin: toolchains, then services."""
        return (*self.toolchains.values(), *self.services.values())
