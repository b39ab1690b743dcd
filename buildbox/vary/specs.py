"""A ContainerSpec with one thing in it changed. Pure, but for the small files that say who a task is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from buildbox import identity
from buildbox.container import Bind, ContainerSpec
from buildbox.digest import Digest

PASSWD, GROUP = "/etc/passwd", "/etc/group"


def with_env(spec: ContainerSpec, **values: str) -> ContainerSpec:
    """`spec` with these variables, whatever they were."""
    return replace(spec, env=tuple(sorted({**dict(spec.env), **values}.items())))


def with_binds(spec: ContainerSpec, *binds: Bind) -> ContainerSpec:
    """`spec` with these files of this machine, too."""
    return replace(spec, binds=(*spec.binds, *binds))


def moved(spec: ContainerSpec, old: str, new: str) -> ContainerSpec:
    """`spec` with the folder `new` where it has `old`. The command and its environment follow.

    A task may well name its folder, in PYTHONPATH, say: then a build elsewhere should still find it.
    """
    return replace(
        spec,
        argv=tuple(renamed(word, old, new) for word in spec.argv),
        env=tuple((name, renamed(value, old, new)) for name, value in spec.env),
        workdir=_at(spec.workdir, old, new),
        binds=tuple(replace(bind, target=_at(bind.target, old, new)) for bind in spec.binds),
        volumes=tuple(replace(volume, target=_at(volume.target, old, new)) for volume in spec.volumes),
        tmpfs=tuple(replace(mount, target=_at(mount.target, old, new)) for mount in spec.tmpfs),
    )


def renamed(text: str, old: str, new: str) -> str:
    """`text` with the path `new` wherever it names `old`, or something in it; not `/usr/src` for `/src`."""
    before = r"""(?:(?<![\w./~})-])(?<![\w.})]["'])|(?<=-[IL]))"""  # not behind `$PWD`, `"$PWD"`, `$(pwd)`
    after = r"(?![\w.-])"
    return re.sub(f"{before}{re.escape(old)}{after}", new.replace("\\", r"\\"), text)


def with_umask(spec: ContainerSpec, umask: str) -> ContainerSpec:
    """`spec` with its command started by the image's shell, which sets `umask` (octal) and is gone then."""
    return replace(spec, argv=("/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh", *spec.argv))


def with_host_name(spec: ContainerSpec, name: str) -> ContainerSpec:
    """`spec` with another host name, which has the old one's address."""
    hosts = tuple((name if known == spec.hostname else known, address) for known, address in spec.hosts)
    return replace(spec, hostname=name, hosts=hosts)


def with_name(spec: ContainerSpec, name: str, scratch: Path) -> ContainerSpec:
    """`spec` with another name for the task's user and group; new files for that are in `scratch`.

    On an engine elsewhere, which has those files in a volume, only in the environment.
    """

    def in_file(text: str) -> str:
        return re.sub(f"^{identity.NAME}:", f"{name}:", text, count=1, flags=re.MULTILINE)

    spec = _with_file(_with_file(spec, PASSWD, in_file, scratch), GROUP, in_file, scratch)
    return with_env(spec, USER=name, LOGNAME=name)


def with_home(spec: ContainerSpec, home: str, scratch: Path) -> ContainerSpec:
    """`spec` with another home folder; a new passwd for that is in `scratch`, as in `with_name`."""

    def in_file(text: str) -> str:
        return text.replace(f":{identity.HOME}:", f":{home}:", 1)

    spec = moved(_with_file(spec, PASSWD, in_file, scratch), identity.HOME, home)
    return with_env(spec, HOME=home)


def _with_file(
    spec: ContainerSpec, target: str, change: Callable[[str], str], scratch: Path
) -> ContainerSpec:
    def changed(bind: Bind) -> Bind:
        if bind.target != target:
            return bind
        text = change(Path(bind.source).read_text(errors="surrogateescape"))
        content = text.encode(errors="surrogateescape")
        path = scratch / Digest.of(content).hex
        path.write_bytes(content)
        path.chmod(0o644)
        return replace(bind, source=str(path))

    return replace(spec, binds=tuple(map(changed, spec.binds)))


def _at(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if f"{path}/".startswith(f"{old}/") else path
