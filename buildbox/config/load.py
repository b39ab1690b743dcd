"""`.buildbox.toml` -> Config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildbox.config.fit import check_fit
from buildbox.config.keys import PROJECT_FILE
from buildbox.config.model import (
    DEFAULT_PIDS,
    SOURCE_DATE_EPOCH,
    Config,
    Hooks,
    Matrix,
    MountEntry,
    Policy,
    Service,
    Task,
    Toolchain,
)
from buildbox.config.reading import Problem, Reading
from buildbox.config.text import parse_toml, read_text, refuse
from buildbox.config.values import VERSION
from buildbox.errors import ConfigError

_INIT = "`buildbox init` writes one that works."


def load(path: Path) -> Config:
    """The configuration in the file `path`. Raises ConfigError with every problem of the file.

    Nothing is looked up on the disk but the file itself, which must lie in the folder that `path` says.
    """
    try:
        text = read_text(inside(path))
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(
                f"{path} is a link to {path.readlink()}, which doesn't exist",
                "Put the file itself there, or remove the link.",
            ) from None
        raise ConfigError(f"{path} doesn't exist", _INIT) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """The configuration in `text`, the content of the file `path`. Raises ConfigError."""
    document = parse_toml(text, path, path.name)
    version = document.get("version", VERSION)
    if type(version) is int and version != VERSION:
        # Another version's keys mean nothing here, so nothing else is worth saying about them.
        reason = f"version {version} is not known to this buildbox" if abs(version) < 10**9 else "unknown"
        problem = Problem(("version",), f"{reason}; it knows version {VERSION}")
        error = refuse([problem], text, path, path.name)
        raise ConfigError(error.reason, "A newer buildbox may know it.", error.problems)
    reading = Reading(PROJECT_FILE)
    values = reading.table(PROJECT_FILE, document, ())
    if not reading.problems and not values.get("toolchains") and not values.get("tasks"):
        raise ConfigError(f"{path} has no toolchains and no tasks", f"Remove it, then {_INIT}")
    check_fit(document, values, reading)
    if reading.problems:
        raise refuse(reading.problems, text, path, path.name)
    return _config(values, path)


def inside(path: Path) -> Path:
    """`path` with links followed. Raises ConfigError where that leads out of the file's folder."""
    if not path.is_symlink():
        return path
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(path.parent)):
        raise ConfigError(
            f"{path} is a link that leads out of the project, to {real}",
            "Put the file itself there: a project's configuration comes from the project.",
        )
    return real


def _config(values: Mapping[str, Any], path: Path) -> Config:
    project = values.get("project", {})
    toolchains = {name: Toolchain(name, **found) for name, found in values["toolchains"].items()}
    # What a task without a toolchain of its own runs in: the project's, where there is exactly one.
    sole = next(iter(toolchains)) if len(toolchains) == 1 else ""
    defaults, policy = values.get("defaults", {}), values.get("policy", {})
    return Config(
        path=path,
        name=project.get("name") or _folder_name(path),
        default=project.get("default", ()),
        toolchains=toolchains,
        services={name: _service(name, found) for name, found in values.get("services", {}).items()},
        tasks={name: _task(name, found, defaults, sole) for name, found in values.get("tasks", {}).items()},
        defaults=_task("", {}, defaults, sole),
        policy=Policy(policy.get("warn-pin-age"), policy.get("max-pin-age")),
        hooks=Hooks(values.get("hooks", {}).get("pre-commit")),
    )


def _task(name: str, own: Mapping[str, Any], defaults: Mapping[str, Any], sole: str) -> Task:
    values = {**defaults, **own}
    epoch = values.get("source-date-epoch", SOURCE_DATE_EPOCH)
    matrix = _matrix(own.get("matrix", {}))
    if matrix and matrix.toolchain and not sole:
        sole = matrix.toolchain[0]
    return Task(
        name=name,
        description=own.get("description", ""),
        toolchain=values.get("toolchain", sole),
        run=own.get("run"),
        argv=own.get("argv"),
        env={**defaults.get("env", {}), **own.get("env", {})},
        pass_env=values.get("pass-env", ()),
        workdir=values.get("workdir", "."),
        network=values.get("network", "none"),
        mounts=tuple(
            MountEntry(mount["source"], mount["target"], mount.get("read-only", False))
            for mount in values.get("mounts", ())
        ),
        timeout=values.get("timeout"),
        memory=values.get("memory"),
        cpus=values.get("cpus"),
        pids=values.get("pids", DEFAULT_PIDS),
        user=values.get("user", "caller"),
        rootfs=values.get("rootfs", "read-only"),
        needs=tuple(dict.fromkeys(own.get("needs", ()))),
        matrix=matrix,
        services=tuple(dict.fromkeys(values.get("services", ()))),
        caches={**defaults.get("caches", {}), **own.get("caches", {})},
        secrets=tuple(dict.fromkeys(values.get("secrets", ()))),
        retries=values.get("retries", 0),
        hermetic=values.get("hermetic", False),
        inputs=values.get("inputs"),
        outputs=own.get("outputs", ()),
        cache=values.get("cache"),
        source_date_epoch=None if epoch == "commit" else epoch,
    )


def _matrix(values: Mapping[str, Any]) -> Matrix | None:
    return Matrix(values.get("toolchain", ()), values.get("env", {})) if any(values.values()) else None


def _service(name: str, values: Mapping[str, Any]) -> Service:
    return Service(name, **{key.replace("-", "_"): value for key, value in values.items()})


def _folder_name(path: Path) -> str:
    """The folder's name, fit to be shown: as values.project_name wants it."""
    name = Path(os.path.realpath(path.parent)).name
    name = "".join(char if char.isprintable() else "?" for char in name)[:100]
    return name if name.strip() else "project"
