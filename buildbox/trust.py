"""What a task may have: nothing outside its project but what the user allows (SPEC section 2, Trust).

A `.buildbox.toml` was written by whoever wrote the repository, so everything in it that reaches
beyond the container is looked at here, before anything starts, with all links followed.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from buildbox.config.model import FILE_NAME, MountEntry, Service, Task
from buildbox.config.reading import KeyPath, show_path
from buildbox.config.user import Allowance, real_path
from buildbox.errors import ConfigError, NotAllowed

_SOURCE = "/src"  # where the container sees the project
# What people call credentials. `pass-env` lets the project name them, and a network take them away.
_SECRET_WORDS = frozenset(
    (
        *("auth", "credential", "credentials", "creds", "key", "pass", "passphrase", "passwd", "password"),
        *("pat", "secret", "secrets", "token", "tokens"),
    )
)
_SECRET_ENDS = ("token", "secret", "password", "passwd", "apikey")
# Folders of a project that its tasks don't get, and why.
_GUARDED = {
    ".git": "where it could plant commands",
    ".buildbox": "where it could change what others see and make",
}


@dataclass(frozen=True)
class ResolvedMount:
    """A mount that may be made."""

    source: Path  # absolute, no link in it
    target: str
    read_only: bool


@dataclass(frozen=True)
class Bounds:
    """What the tasks of a project are held against."""

    root: Path  # where its source is that they see
    allowance: Allowance
    sockets: tuple[Path, ...]  # of engines, there or not: no task gets one
    user_config: Path  # there or not
    caller_is_root: bool = False  # and root inside a container is root outside
    home: Path | None = None  # the project's folder, where `root` is only a copy of what it has

    @property
    def project(self) -> Path:
        """The project's own folder: what is allowed is allowed to that."""
        return self.home or self.root

    @cached_property
    def real(self) -> Bounds:
        """The same with every link followed, asked once for all tasks."""
        return replace(
            self,
            root=real_path(self.root),
            home=self.home and real_path(self.home),
            sockets=tuple(map(real_path, self.sockets)),
            user_config=real_path(self.user_config),
        )


class _Findings:
    """What is wrong with one task, and what the user would have to allow it."""

    def __init__(self) -> None:
        self.wrong: list[str] = []  # no allowance helps
        self.refused: list[str] = []
        self.mounts: list[Path] = []
        self.networks: list[str] = []
        self.env: list[str] = []
        self.snapshots: list[str] = []
        self.root = False
        self.git = False


def check_task(task: Task, bounds: Bounds) -> tuple[ResolvedMount, ...]:
    """The task's mounts with their real sources.

    Raises NotAllowed with everything that the task wants and its allowance doesn't give;
    ConfigError where a mount's source or the workdir doesn't exist or isn't of the right kind.
    What is checked here may be replaced on the disk before the engine mounts it: only by someone who
    may write to the project now, such as a task that is running in it at the same time.
    """
    shown, bounds = bounds.user_config, bounds.real
    section: KeyPath = ("tasks", task.name) if task.name else ("defaults",)
    found = _Findings()
    _check_root(bounds, found)
    _check_workdir(task.workdir, show_path((*section, "workdir")), bounds.root, found)
    resolved = []
    for index, mount in enumerate(task.mounts):
        where = show_path((*section, "mounts", index))
        source = _resolve(mount, where, bounds, found)
        if source is not None:
            _check_source(source, mount, where, bounds, found)
            _check_target(source, mount.target, where, bounds.root, found)
            resolved.append(ResolvedMount(source, mount.target, mount.read_only))
    for cache, target in task.caches.items():
        _check_target(bounds.root, target, show_path((*section, "caches", cache)), bounds.root, found)
    _check_rights(task, show_path(section), bounds, found)
    _judge(f"task {task.name!r}" if task.name else "the command", found, bounds, shown)
    return tuple(resolved)


def check_service(service: Service, bounds: Bounds) -> None:
    """Raises NotAllowed with everything that the service wants and its project's allowance doesn't give."""
    found = _Findings()
    # Whoever the image says it is: it may be root, and nobody can know before it is there.
    is_root = service.user in (None, "root") or (service.user or "").startswith("0:")
    if is_root and service.rootfs == "writable" and not bounds.allowance.root:
        whose = "root" if service.user else "its image's own user, which may be root,"
        found.refused.append(
            f"{show_path(('services', service.name))}: {whose} in a writable root file system (rootfs)"
        )
        found.root = True
    _judge(f"service {service.name!r}", found, bounds, bounds.user_config)


def _judge(name: str, found: _Findings, bounds: Bounds, user_config: Path) -> None:
    """Raises ConfigError, NotAllowed where something was found. `user_config` as it is to be shown."""
    if found.wrong:
        raise ConfigError(f"{name} can't run", problems=[f"{FILE_NAME}: {text}" for text in found.wrong])
    if found.refused:
        wanted = "".join(f"\n  {text}" for text in found.refused)
        raise NotAllowed(
            f"{name} wants what this project isn't allowed:{wanted}",
            _how_to_allow(found, real_path(bounds.project), bounds.allowance, user_config),
            _options(found),
        )


def how_to_allow_snapshot(service: str, root: Path, allowance: Allowance, user_config: Path) -> str:
    """What lets the recipes of the project in `root` have packages from `service`."""
    found = _Findings()
    found.snapshots.append(service)
    return _how_to_allow(found, root, allowance, user_config)


def _check_root(bounds: Bounds, found: _Findings) -> None:
    """The project's folder is handed in whole, so it must not hold what governs it."""
    if os.path.lexists(bounds.user_config) and bounds.user_config.is_relative_to(bounds.project):
        raise NotAllowed(
            f"your own configuration {bounds.user_config} lies in the project's folder,"
            " so the project could have written it",
            "Keep one of them elsewhere: a project has no say in what it is allowed.",
        )
    for socket in bounds.sockets:
        inside = os.path.lexists(socket) and socket.is_relative_to(bounds.root)
        if inside and socket not in bounds.allowance.mounts:
            found.refused.append(f"the project's folder {bounds.root} holds the engine's socket {socket}")
            found.mounts.append(socket)


def _check_workdir(workdir: str, where: str, root: Path, found: _Findings) -> None:
    if workdir == ".":
        return
    path = real_path(root / workdir)
    if not path.is_relative_to(root):
        found.wrong.append(f"{where}: {workdir!r} is a link that leads out of the project, to {path}")
    elif not path.is_dir():
        found.wrong.append(f"{where}: there is no folder {workdir!r} in the project")
    elif any(link.is_absolute() for link in _links(root, workdir)):
        found.wrong.append(
            f"{where}: {workdir!r} is an absolute link, which leads elsewhere in the container"
        )


def _links(root: Path, relative: str) -> list[Path]:
    """The targets of the links that `relative` passes through."""
    places = [root / relative, *(root / relative).parents]
    return [place.readlink() for place in places if place.is_relative_to(root) and place.is_symlink()]


def _resolve(mount: MountEntry, where: str, bounds: Bounds, found: _Findings) -> Path | None:
    """The mount's real source; None, and why noted, where nothing can be mounted from there."""
    source = real_path(_place(mount.source, bounds))
    try:
        mode = source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        found.wrong.append(f"{where}: the source {mount.source!r} doesn't exist ({source})")
        return None
    except OSError as error:
        # Also where the engine could look: a task gets nothing that its caller couldn't reach.
        found.wrong.append(
            f"{where}: the source {mount.source!r} can't be looked at: {error.strerror} ({source})"
        )
        return None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        found.wrong.append(f"{where}: the source {mount.source!r} is a device or a pipe, which no task gets")
        return None
    return source


def _place(source: str, bounds: Bounds) -> Path:
    """Where a mount is from: the project's from the copy that its tasks see, all else from around itself."""
    if bounds.home is None:
        return bounds.root / source
    place = Path(os.path.normpath(bounds.home / source))
    return bounds.root / place.relative_to(bounds.home) if place.is_relative_to(bounds.home) else place


def _check_source(source: Path, mount: MountEntry, where: str, bounds: Bounds, found: _Findings) -> None:
    allowed = bounds.allowance.mounts
    shown = f"{where}: {mount.source!r}" + ("" if str(source) == mount.source else f" ({source})")
    reason = ""
    if source not in allowed:  # by its own name: some things aren't allowed along with what is around them
        socket = next((socket for socket in bounds.sockets if socket.is_relative_to(source)), None)
        if socket:
            reason = f"gives it the engine's socket {socket}, and with that the whole machine"
        elif source.is_socket():
            reason = "is a socket of another program"
        elif bounds.user_config.is_relative_to(source):
            reason = f"gives it your own configuration {bounds.user_config}"
        elif not any(source.is_relative_to(place) for place in (bounds.root, *allowed)):
            reason = "lies outside the project"
    if reason:
        found.refused.append(f"{shown} {reason}")
        found.mounts.append(source)
    for folder, what in _GUARDED.items():
        if not bounds.allowance.git and _reaches(folder, source, mount.read_only, bounds.root):
            found.refused.append(f"{shown} gives it the project's {folder} folder, {what}")
            found.git = True


def _reaches(folder: str, source: Path, read_only: bool, root: Path) -> bool:
    """Whether a mount gives a folder of the project's by another way than /src, which guards it."""
    if source.is_relative_to(root) and folder in map(str.lower, source.relative_to(root).parts):
        return True
    # Who may have what is around the project may have buildbox's notes on it, which come with its first run.
    around = source == root or (folder == ".git" and root.is_relative_to(source))
    return not read_only and around and os.path.lexists(root / folder)


def _check_target(source: Path, target: str, where: str, root: Path, found: _Findings) -> None:
    """A mount within /src needs a place in the project: the engine would make one, as root."""
    if not target.startswith(f"{_SOURCE}/"):
        return
    place = root / target.removeprefix(f"{_SOURCE}/")
    kind = "folder" if source.is_dir() else "file"
    if real_path(place) != place:
        found.wrong.append(f"{where}: the target {target!r} passes through a link")
    elif not (place.is_dir() if kind == "folder" else place.is_file()):
        found.wrong.append(
            f"{where}: for the target {target!r} the project needs a {kind} (an empty one will do)"
        )


def _check_rights(task: Task, where: str, bounds: Bounds, found: _Findings) -> None:
    allowance = bounds.allowance
    roots = ("root", "caller") if bounds.caller_is_root else ("root",)
    if task.network not in ("none", "bridge") and task.network not in allowance.networks:
        what = (
            "the host's own network" if task.network == "host" else f"the engine's network {task.network!r}"
        )
        found.refused.append(f"{where}.network: {what}")
        found.networks.append(task.network)
    is_root = task.user in roots or task.user.startswith("0:")
    if is_root and task.rootfs == "writable" and not allowance.root:
        found.refused.append(f"{where}: root (user) in a writable root file system (rootfs)")
        found.root = True
    for name in task.pass_env:
        if _is_secret(name) and name not in allowance.env:
            found.refused.append(f"{where}.pass-env: {name}, which by its name is a credential of yours")
            found.env.append(name)
    for name in task.secrets:
        given = name in allowance.env or name in allowance.secrets
        if task.network != "none" and not given and name not in found.env:
            found.refused.append(f"{where}.secrets: {name} of yours, together with a network")
            found.env.append(name)


def _is_secret(name: str) -> bool:
    words = name.lower().split("_")
    return not _SECRET_WORDS.isdisjoint(words) or words[-1].endswith(_SECRET_ENDS)


def _how_to_allow(found: _Findings, root: Path, allowance: Allowance, user_config: Path) -> str:
    """The lines for the user's config.toml, with what is allowed already, and the options."""
    lines = [f"[allow.{_quote(str(root))}]"]
    for key, new, old in (
        ("mounts", [str(path) for path in found.mounts], [str(path) for path in allowance.mounts]),
        ("network", found.networks, sorted(allowance.networks)),
        ("env", found.env, sorted(allowance.env)),
        ("snapshot", found.snapshots, sorted(allowance.snapshots)),
    ):
        if new:
            lines.append(f"{key} = [{', '.join(map(_quote, dict.fromkeys([*old, *new])))}]")
    lines += [f"{key} = true" for key, wanted in (("root", found.root), ("git", found.git)) if wanted]
    table = "\n".join(f"    {line}" for line in lines)
    return (
        f"Only if you trust it with that, put these lines into {user_config}:\n\n{table}\n\n"
        f"or allow it this once: {' '.join(_options(found))}"
    )


def _options(found: _Findings) -> list[str]:
    """The options that allow it once."""
    values = [
        *(f"mount={path}" for path in found.mounts),
        *(f"network={name}" for name in found.networks),
        *(f"env={name}" for name in found.env),
        *(f"snapshot={service}" for service in found.snapshots),
    ]
    words = [*dict.fromkeys(values), *(["root"] if found.root else []), *(["git"] if found.git else [])]
    return [f"--allow {shlex.quote(word)}" for word in words]


def _quote(text: str) -> str:
    """`text` as a TOML basic string, whose escapes are among JSON's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
