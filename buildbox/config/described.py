"""What each key of the configuration means, for people: the reference and the JSON Schema are made of it.

Keyed by the key's path, with NAME for a name that its author chooses. No run loads this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from buildbox.config.keys import PROJECT_FILE, USER_FILE
from buildbox.config.kinds import Kind, ListOf, MapOf, Table


class Described(NamedTuple):
    """What a key means, and what holds without it."""

    means: str
    default: str = ""  # as it would be written in the file, or in words; nothing: there is none


_SHARED: Mapping[str, Described] = {
    "toolchain": Described("The toolchain that it runs in.", "the project's only one"),
    "env": Described("Variables of its environment.", "none but what every task has"),
    "pass-env": Described(
        "Names of variables that are let through from the caller, where they are set. What by its name is a "
        "credential (`…_TOKEN`, `…_PASSWORD`) the user has to allow.",
        "[]",
    ),
    "workdir": Described("The folder that it starts in, relative to the project.", '"."'),
    "network": Described(
        "`none`, `bridge`, or the name of an engine's network, which the user has to allow.", '"none"'
    ),
    "mounts": Described("Files and folders that it sees beside the source; not with `hermetic`.", "[]"),
    "mounts[].source": Described(
        "What is mounted: relative to the project, or absolute. What lies outside of the project the user "
        "has to allow."
    ),
    "mounts[].target": Described("Its place in the container, absolute."),
    "mounts[].read-only": Described("Whether the task can't write there.", "false"),
    "timeout": Described("How long one attempt may take: `90s`, `10m`, `1h30m`. Its end is status 124."),
    "memory": Described("The most memory that it may use: `512m`, `2g`.", "the machine's"),
    "cpus": Described("The most CPUs that it may use, 0.01 or more.", "all"),
    "pids": Described("The most processes and threads that it may have.", "4096"),
    "user": Described('Who it runs as: `caller`, `root` or `"uid:gid"`.', '"caller"'),
    "rootfs": Described(
        "Whether the image's files can be changed: `read-only` or `writable`. `writable` with `root` the "
        "user has to allow.",
        '"read-only"',
    ),
    "services": Described("Services that run beside it, each reached by its name.", "[]"),
    "caches": Described(
        "Volumes of the project's, kept from run to run, by their names: where each is in the container. "
        "`~` is the task's home.",
        "none",
    ),
    "secrets": Described(
        "Secrets that it gets as files in `/run/secrets`. Their values are from the caller's environment, or "
        "from where the user's `config.toml` says; with a network the user has to allow it.",
        "[]",
    ),
    "retries": Described("Attempts after one that failed.", "0"),
    "hermetic": Described(
        "Whether it sees its inputs alone, and only its outputs come back; what has passed before isn't run "
        "again. Otherwise it works in the working tree.",
        "false",
    ),
    "inputs": Described(
        "Patterns of the files that it sees, in order; `!` takes away.", "what git tracks or would add"
    ),
    "cache": Described(
        "Whether an earlier result may stand for running it.", "true without a network, false with one"
    ),
    "source-date-epoch": Described(
        'SOURCE_DATE_EPOCH: seconds since 1970, or `"commit"` for the time of HEAD\'s commit.',
        "315532800",
    ),
}

_LIMITS = ("memory", "cpus", "pids")

PROJECT: Mapping[str, Described] = {
    "version": Described("The version of this format.", "1"),
    "project": Described("The project as a whole."),
    "project.name": Described("What the project is called.", "its folder's name"),
    "project.default": Described("What `buildbox run` without names runs: tasks, or variants of them.", "[]"),
    "toolchains.NAME": Described("An image with tools in it, which tasks run in."),
    "toolchains.NAME.image": Described(
        "The image, `repository:tag@sha256:…`. Only the digest counts; `buildbox pin` writes it. An image "
        "without one never runs."
    ),
    "toolchains.NAME.platform": Described("`os/architecture[/variant]`.", "the engine's own"),
    "toolchains.NAME.shell": Described(
        "The program that a task's `run` is handed to, and its arguments.", '["/bin/sh", "-e", "-c"]'
    ),
    "defaults": Described("What all tasks have that don't say otherwise; `exec` and `shell` have it, too."),
    **{f"defaults.{key}": described for key, described in _SHARED.items()},
    "tasks.NAME": Described("A command that runs in a toolchain."),
    "tasks.NAME.description": Described("One line that `buildbox list` shows."),
    "tasks.NAME.run": Described(
        "A script for the toolchain's shell; this or `argv`. Arguments behind `--` are its `$@`; to a single "
        "line without one they are appended."
    ),
    "tasks.NAME.argv": Described("A program and its arguments, without a shell; this or `run`."),
    **{f"tasks.NAME.{key}": described for key, described in _SHARED.items()},
    "tasks.NAME.needs": Described('Tasks that pass before: `"fetch"`, or variants: `"fetch[python]"`.', "[]"),
    "tasks.NAME.matrix": Described(
        "Variants: one for each toolchain and each combination of values.", "a task without variants"
    ),
    "tasks.NAME.matrix.toolchain": Described("The toolchains.", "the task's own"),
    "tasks.NAME.matrix.env": Described("Variables, each with its values.", "none"),
    "tasks.NAME.outputs": Described(
        "Patterns of what it makes. In a hermetic task only these come back, and it fails where one is "
        "missing. `{toolchain}` and `{VARIABLE}` stand for what a variant has.",
        "[]",
    ),
    "services.NAME": Described("A container that runs beside a task, such as a database."),
    "services.NAME.image": Described("The image, pinned as a toolchain's."),
    "services.NAME.platform": Described("`os/architecture[/variant]`.", "the engine's own"),
    "services.NAME.run": Described("A script for `/bin/sh -e -c`; this or `argv`.", "what the image runs"),
    "services.NAME.argv": Described("A program and its arguments; this or `run`.", "what the image runs"),
    "services.NAME.env": Described("Variables of its environment.", "none but the image's own"),
    "services.NAME.ready": Described(
        "A command in the service that succeeds when it is ready; this or `ready-port`.",
        "the image's HEALTHCHECK",
    ),
    "services.NAME.ready-port": Described("The TCP port that it listens on when it is ready."),
    "services.NAME.ready-timeout": Described("How long that may take.", '"60s"'),
    **{f"services.NAME.{key}": _SHARED[key] for key in _LIMITS},
    "services.NAME.user": Described('Who it runs as: `root` or `"uid:gid"`.', "the image's own"),
    "services.NAME.rootfs": Described(
        "`read-only` or `writable`. `writable` with root or an unknown user the user has to allow.",
        '"read-only"',
    ),
    "hooks": Described("What git's hooks run, once `buildbox hook install` has written them."),
    "hooks.pre-commit": Described(
        "Tasks, or variants of them, that run before each commit, on exactly what is staged.", "nothing"
    ),
    "policy": Described("How old pinned images may be. Only `buildbox check` asks."),
    "policy.warn-pin-age": Described("The age from which on it is said, e.g. `90d`.", "it isn't asked"),
    "policy.max-pin-age": Described("The age from which on it is an error, e.g. `365d`.", "it isn't asked"),
}

USER: Mapping[str, Described] = {
    "allow.NAME": Described("What the project in this folder may have beyond the folder; no pattern."),
    "allow.NAME.mounts": Described("Files and folders that may be mounted, each with all below it.", "[]"),
    "allow.NAME.network": Described("Networks of the engine; `host` is the machine's own.", "[]"),
    "allow.NAME.env": Described(
        "Credentials that `pass-env` may let through, and that tasks with a network may have as secrets.",
        "[]",
    ),
    "allow.NAME.root": Described("Whether tasks may be root in a writable root file system.", "false"),
    "allow.NAME.git": Described("Whether tasks may write the project's .git folder.", "false"),
    "allow.NAME.snapshot": Described("Services that its own recipes may have packages from.", "[]"),
    "allow.NAME.secrets.NAME": Described("Where this secret is from.", "the caller's environment"),
    "allow.NAME.secrets.NAME.file": Described(
        "A file that has the value, but for a line end at its end; this or `command`."
    ),
    "allow.NAME.secrets.NAME.command": Described("A program that prints the value, and its arguments."),
    "images": Described("What toolchain images are made with."),
    "images.mirrors": Described("Mirrors of packages, asked before those of this machine's apt.", "[]"),
    "images.builder": Described("The image that others are made in.", "the catalogue's builder"),
    "archive": Described("Where images and results are kept, and asked for."),
    "archive.path": Described("The archive's folder.", "`archive` in the user's data folder"),
    "archive.remote": Described("A registry and a path in it that keep what the archive has, too.", "none"),
    "archive.mirrors": Described("Registries that are asked before the one that is named here.", "none"),
    "archive.max-size": Described("What `archive gc` brings the archive down to, e.g. `50GB`.", "no limit"),
    "archive.plain-http": Described("Registries that are asked without TLS.", "[]"),
    "archive.results": Described(
        "What is done with results of hermetic tasks and the remote: `off`, `pull`, or `push`, which pulls, "
        "too.",
        '"pull"',
    ),
    "provenance": Described("What statements are signed with, and whose are believed."),
    "provenance.key": Described("The private key of `run --sign`.", "`signing.key` beside this file"),
    "provenance.keys": Described("The public keys that `verify` trusts.", "your own key's"),
}


def paths(kind: Kind, path: str = "") -> Iterator[tuple[str, Kind]]:
    """The path of each known key in `kind`, with its kind: tables before what is in them."""
    if path:
        yield path, kind
    if isinstance(kind, Table):
        for key, item in kind.keys.items():
            yield from paths(item, f"{path}.{key}" if path else key)
    elif isinstance(kind, MapOf) and isinstance(kind.item, Table):
        yield from paths(kind.item, f"{path}.NAME")
    elif isinstance(kind, ListOf) and isinstance(kind.item, Table):
        yield from paths(kind.item, f"{path}[]")


def described(path: str, file: Table = PROJECT_FILE) -> Described:
    """What the key with the path `path` of `file` means; of maps of tables only these are told of."""
    return (USER if file is USER_FILE else PROJECT).get(path, Described(""))
