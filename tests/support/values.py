"""Values of the configuration, with only what a test is about written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from buildbox.config.model import Config, Service, Task, Toolchain
from buildbox.host import Host
from buildbox.reference import ImageRef

PIN = "registry.example.com/tools:1@sha256:" + "a" * 64

DEFAULTS = Task(
    name="",
    description="",
    toolchain="",
    run=None,
    argv=None,
    env={},
    pass_env=(),
    workdir=".",
    network="none",
    mounts=(),
    timeout=None,
    memory=None,
    cpus=None,
    pids=4096,
    user="caller",
    rootfs="read-only",
)


def task(name: str = "test", **changes: Any) -> Task:
    """A task of the toolchain `tools`."""
    return replace(DEFAULTS, **{"name": name, "toolchain": "tools", **changes})


def toolchain(name: str = "tools", **changes: Any) -> Toolchain:
    return Toolchain(**{"name": name, "image": ImageRef.parse(PIN), **changes})


def config(
    *tasks: Task,
    toolchains: tuple[Toolchain, ...] = (toolchain(),),
    services: tuple[Service, ...] = (),
    default: tuple[str, ...] = (),
    defaults: Task = DEFAULTS,
) -> Config:
    return Config(
        path=Path("/project/.buildbox.toml"),
        name="project",
        default=default,
        toolchains={item.name: item for item in toolchains},
        tasks={item.name: item for item in tasks},
        services={item.name: item for item in services},
        defaults=defaults,
    )


def host(folder: Path, env: Mapping[str, str] | None = None, **changes: Any) -> Host:
    """A caller whose home and own files are in `folder`."""
    values: dict[str, Any] = {
        "cwd": folder,
        "env": {"HOME": str(folder), **(env or {})},
        "uid": 1234,
        "gid": 2345,
        "stdin_tty": False,
        "stdout_tty": False,
        "stderr_tty": False,
        "now": 1_700_000_000.0,
        "data": folder / "data",
        "user_config": folder / "config.toml",
    }
    return Host(**{**values, **changes})
