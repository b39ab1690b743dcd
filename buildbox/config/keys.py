"""Every key of `.buildbox.toml` and of the user's `config.toml`: the one place that knows them."""

from __future__ import annotations

from buildbox.config import values
from buildbox.config.kinds import Flag, Kind, ListOf, MapOf, Number, OneOf, Table, Text

_SCRIPT_NOTE = "a program and its arguments are written as argv"
_ARGV_NOTE = "a script for the shell is written as run"
_CACHES_NOTE = 'e.g. { pip = "~/.cache/pip" }'
_MIRRORS_NOTE = 'e.g. { "docker.io" = ["mirror.example.com"] }'
_HOOKS_NOTE = 'e.g. pre-commit = ["lint"]'
_AGE = Text(values.age, note='write it with its unit, e.g. "90d"')

MOUNT = Table(
    {"source": Text(values.source), "target": Text(values.target), "read-only": Flag()},
    required=("source", "target"),
    note='e.g. { source = "data", target = "/data" }',
)

MATRIX = Table(
    {
        "toolchain": ListOf(Text(values.name), least=1),
        "env": MapOf(values.env_name, ListOf(Text(values.matrix_value), least=1)),
    },
    note='e.g. matrix.toolchain = ["python", "python313"]',
)

_SHARED: dict[str, Kind] = {  # what [defaults] and [tasks.NAME] have in common
    "toolchain": Text(values.name),
    "env": MapOf(values.env_name, Text(values.argument), note='e.g. { LEVEL = "2" }'),
    "pass-env": ListOf(Text(values.env_name)),
    "workdir": Text(values.workdir),
    "network": Text(values.network, note='e.g. "none" or "bridge"'),
    "mounts": ListOf(MOUNT),
    "timeout": Text(values.duration, note='write it with its unit, e.g. "10m"'),
    "memory": Text(values.size, note='write it with its unit, e.g. "2g"'),
    "cpus": Number(values.cpus, whole=False),
    "pids": Number(values.pids),
    "user": Text(values.user),
    "rootfs": Text(values.rootfs),
    "services": ListOf(Text(values.name)),
    "caches": MapOf(values.name, Text(values.cache_place), note=_CACHES_NOTE),
    "secrets": ListOf(Text(values.env_name)),
    "retries": Number(values.retries),
    "hermetic": Flag(),
    "inputs": ListOf(Text(values.pattern)),
    "cache": Flag(),
    "source-date-epoch": OneOf((Number(values.epoch), Text(values.epoch_name))),
}

TASK = Table(
    {
        "description": Text(values.line),
        "run": Text(values.script, note=_SCRIPT_NOTE),
        "argv": ListOf(Text(values.argument), least=1, note=_ARGV_NOTE),
        **_SHARED,
        "needs": ListOf(Text(values.address_of_task)),
        "matrix": MATRIX,
        "outputs": ListOf(Text(values.pattern)),
    }
)

SERVICE = Table(
    {
        "image": Text(values.image),
        "platform": Text(values.platform),
        "run": Text(values.script, note=_SCRIPT_NOTE),
        "argv": ListOf(Text(values.argument), least=1, note=_ARGV_NOTE),
        "env": MapOf(values.env_name, Text(values.argument), note='e.g. { LEVEL = "2" }'),
        "ready": Text(values.script, note="a TCP port is written as ready-port"),
        "ready-port": Number(values.port),
        "ready-timeout": Text(values.duration, note='write it with its unit, e.g. "60s"'),
        "memory": Text(values.size, note='write it with its unit, e.g. "2g"'),
        "cpus": Number(values.cpus, whole=False),
        "pids": Number(values.pids),
        "user": Text(values.service_user),
        "rootfs": Text(values.rootfs),
    },
    required=("image",),
)

TOOLCHAIN = Table(
    {
        "image": Text(values.image),
        "platform": Text(values.platform),
        "shell": ListOf(Text(values.program), least=1, note='e.g. ["/bin/sh", "-e", "-c"]'),
    },
    required=("image",),
)

PROJECT_FILE = Table(
    {
        "version": Number(values.version),
        "project": Table(
            {"name": Text(values.project_name), "default": ListOf(Text(values.address_of_task))}
        ),
        "toolchains": MapOf(values.name, TOOLCHAIN),
        "defaults": Table(_SHARED),
        "tasks": MapOf(values.name, TASK),
        "services": MapOf(values.host_name, SERVICE),
        "hooks": Table({"pre-commit": ListOf(Text(values.address_of_task), note=_HOOKS_NOTE)}),
        "policy": Table({"warn-pin-age": _AGE, "max-pin-age": _AGE}),
    }
)

SECRET = Table(
    {"file": Text(values.path), "command": ListOf(Text(values.argument), least=1)},
    note='e.g. { file = "~/.token" } or { command = ["pass", "show", "token"] }',
)

USER_FILE = Table(
    {
        "allow": MapOf(
            values.path,  # a project's folder
            Table(
                {
                    "mounts": ListOf(Text(values.path)),
                    "network": ListOf(Text(values.network)),
                    "env": ListOf(Text(values.env_name)),
                    "root": Flag(),
                    "git": Flag(),
                    "snapshot": ListOf(Text(values.address)),
                    "secrets": MapOf(values.env_name, SECRET, note='e.g. { TOKEN = { file = "~/.token" } }'),
                }
            ),
        ),
        "images": Table({"mirrors": ListOf(Text(values.mirror)), "builder": Text(values.pinned_image)}),
        "archive": Table(
            {
                "path": Text(values.path),
                "remote": Text(values.remote_archive),
                "mirrors": MapOf(
                    values.registry_host, ListOf(Text(values.registry_place)), note=_MIRRORS_NOTE
                ),
                "max-size": Text(values.room, note='write it with its unit, e.g. "50GB"'),
                "plain-http": ListOf(Text(values.registry_host)),
                "results": Text(values.sharing),
            }
        ),
        "provenance": Table({"key": Text(values.path), "keys": ListOf(Text(values.path))}),
    }
)
