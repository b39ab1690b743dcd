"""What a `.buildbox.toml` says, as frozen values; defaults are merged in, so readers look in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildbox.oci import Platform
from buildbox.reference import ImageRef

FILE_NAME = ".buildbox.toml"
DEFAULT_SHELL = ("/bin/sh", "-e", "-c")
DEFAULT_PIDS = 4096


@dataclass(frozen=True)
class Toolchain:
    """An image with tools in it."""

    name: str
    image: ImageRef  # may lack a digest: then nothing runs in it, and `pin` is the way on
    platform: Platform | None = None  # None: the engine's own
    shell: tuple[str, ...] = DEFAULT_SHELL  # what a task's `run` is handed to, as the last argument


@dataclass(frozen=True)
class MountEntry:
    """A mount as the project asks for it. Nothing here is checked against the disk: see `trust`."""

    source: str  # as written: relative to the project's root, or absolute
    target: str  # absolute and normalised, in the container
    read_only: bool = False


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


@dataclass(frozen=True)
class Config:
    """A whole `.buildbox.toml`."""

    path: Path  # of the file
    name: str  # the project's; the folder's name where the file gives none
    default: tuple[str, ...]  # names of the tasks that a bare `run` runs
    toolchains: Mapping[str, Toolchain]  # in the file's order
    tasks: Mapping[str, Task]  # in the file's order, defaults merged in
    defaults: Task  # what a command without a task (`exec`, `shell`) runs with
