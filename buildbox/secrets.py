"""Secrets of tasks: where their values come from, and the files in memory that hold them for a run.

A value is in no argument, no environment and no label of a container, so an engine can't show it.
"""

from __future__ import annotations

import os
import select
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from buildbox.config.user import SecretSource
from buildbox.container import Bind
from buildbox.errors import EngineError, UsageError
from buildbox.mounts import Mount, mounts_here

FOLDER = "/run/secrets"  # in the container
LARGEST = 1 << 20  # bytes of a value
_TIMEOUT = 60.0  # seconds that a command may take
_SHOWN = 2000  # bytes of a failed command's stderr
_IN_MEMORY = frozenset({"ramfs", "tmpfs"})

RunCommand = Callable[[Sequence[str], Mapping[str, str]], bytes]


def gather(
    names: Iterable[str],
    sources: Mapping[str, SecretSource],
    env: Mapping[str, str],
    run_command: RunCommand | None = None,
    *,
    root: Path | None = None,
    user_config: Path | None = None,
) -> Mapping[str, bytes]:
    """The values of the secrets `names`: from the user's own `sources`, else from the caller's environment.

    Raises UsageError that names all that can't be had, and what to write in `user_config` for the project in
    `root`.
    """
    values: dict[str, bytes] = {}
    faults: list[str] = []
    for name in dict.fromkeys(names):
        try:
            value = _value(name, sources.get(name), env, run_command or _run)
            if not value:
                raise ValueError("is empty")
            if len(value) > LARGEST:
                raise ValueError(f"is larger than {LARGEST >> 20} MiB")
        except (OSError, ValueError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            faults.append(f"{name} {reason}")
        else:
            values[name] = value
    if faults:
        what = "a secret" if len(faults) == 1 else f"{len(faults)} secrets"
        name = faults[0].partition(" ")[0]
        raise UsageError(
            f"{what} can't be had: {'; '.join(faults)}",
            "Set each in the environment that buildbox is called with, or say in "
            f"{user_config or 'your config.toml'} where its value is:\n"
            f'[allow."{root or "/PATH/OF/THE/PROJECT"}".secrets]\n'
            f'{name} = {{ file = "~/.token" }}\nor\n{name} = {{ command = ["pass", "show", "token"] }}',
        )
    return values


@contextmanager
def secret_files(
    values: Mapping[str, bytes], run: str, uid: int, runtime: str | None = None
) -> Iterator[tuple[Bind, ...]]:
    """Files in memory with `values`, to be seen in a container; gone at the end of the context.

    `runtime` is the caller's XDG_RUNTIME_DIR, for a machine whose /dev/shm won't do. Raises UsageError where
    there is no memory-backed folder, or no room in it.
    """
    if not values:
        yield ()
        return
    folder = place_in_memory(runtime) / _folder_name(run, uid)
    try:
        try:
            folder.mkdir(mode=0o700)
            for name, value in values.items():
                _write(folder / name, value)
        except OSError as error:
            raise UsageError(
                f"secrets can't be kept in {folder.parent}: {error.strerror}",
                "They are never written to a disk. Make room there.",
            ) from None
        yield tuple(Bind(str(folder / name), f"{FOLDER}/{name}", read_only=True) for name in values)
    finally:
        _remove(folder, uid)


def sweep_secrets(run: str, uid: int, runtime: str | None = None) -> None:
    """Removes what the dead run `run` left; nothing if that is nothing."""
    for place in _candidates(runtime):
        _remove(place / _folder_name(run, uid), uid)


def require_local(local: bool, names: Iterable[str]) -> None:
    """Raises EngineError where tasks with secrets would run on another machine."""
    wanted = ", ".join(dict.fromkeys(names))
    if wanted and not local:
        raise EngineError(
            f"secrets ({wanted}) can't be handed to an engine on another machine",
            "They are files in this machine's memory, and are sent nowhere. Use an engine here.",
        )


def _value(name: str, source: SecretSource | None, env: Mapping[str, str], run_command: RunCommand) -> bytes:
    if source is None:
        if name not in env:
            raise ValueError("is not set")
        return os.fsencode(env[name])
    if source.file is not None:
        try:
            return _read(source.file)
        except OSError as error:
            raise ValueError(f"is said to be in {source.file}: {error.strerror}") from None
    command = source.command or ()
    try:
        return run_command(command, env).rstrip(b"\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"is said to come from the command {' '.join(command)!r}: {reason}") from None


def _read(path: Path) -> bytes:
    """The first bytes of a regular file, one more than a value may have."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "not a file")
        return file.read(LARGEST + 1)


def _run(command: Sequence[str], env: Mapping[str, str], timeout: float = _TIMEOUT) -> bytes:
    """What `command` prints. Not in the project's folder, whose files could change what it does.

    Raises OSError where it can't be run, ValueError where it fails.
    """
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd="/",
    )
    with process:
        assert process.stdout and process.stderr
        try:
            out, err = _collect([process.stdout.fileno(), process.stderr.fileno()], deadline)
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise ValueError(f"it took longer than {timeout:.0f} s") from None
        finally:
            process.kill()
    if status:
        said = err[-_SHOWN:].decode(errors="replace").strip()
        raise ValueError(f"exit status {status}" + (f": {said}" if said else ""))
    return out


def _collect(descriptors: Sequence[int], deadline: float) -> list[bytes]:
    """All that comes from each of `descriptors`, but no more than a value may have. Raises TimeoutError."""
    found = {descriptor: bytearray() for descriptor in descriptors}
    open_ones = set(descriptors)
    while open_ones:
        ready, _, _ = select.select(open_ones, [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        for descriptor in ready:
            data = os.read(descriptor, 1 << 16)
            if len(found[descriptor]) <= LARGEST:
                found[descriptor] += data
            if not data:
                open_ones.discard(descriptor)
    return [bytes(found[descriptor]) for descriptor in descriptors]


def _folder_name(run: str, uid: int) -> str:
    if not run.isalnum():
        raise ValueError(f"{run!r} is no run")
    return f"buildbox-{uid}-{run}"


def _candidates(runtime: str | None) -> Iterator[Path]:
    yield Path("/dev/shm")
    if runtime and Path(runtime).is_absolute():
        yield Path(runtime)


def place_in_memory(runtime: str | None) -> Path:
    """The folder in memory that secrets are kept in. Raises UsageError where there is none."""
    mounts = mounts_here()
    for folder in _candidates(runtime):
        real = Path(os.path.realpath(folder))
        if os.access(real, os.W_OK | os.X_OK) and file_system(mounts, real) in _IN_MEMORY:
            return real
    raise UsageError(
        "there is nowhere to keep secrets: neither /dev/shm nor XDG_RUNTIME_DIR is in memory and writable",
        "They are never written to a disk. Mount a tmpfs on /dev/shm (mount -t tmpfs tmpfs /dev/shm).",
    )


def file_system(mounts: Iterable[Mount], path: Path) -> str:
    """The type of the file system that the real path `path` is in; "" where it isn't known."""
    best, found = 0, ""
    for mount in mounts:
        parts = mount.point.parts
        if path.parts[: len(parts)] == parts and len(parts) >= best:
            best, found = len(parts), mount.kind
    return found


def _write(path: Path, value: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    with open(descriptor, "wb") as file:
        file.write(value)
        os.fchmod(descriptor, 0o444)  # a task may run as another user; nobody else gets into the folder


def _remove(folder: Path, uid: int) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != uid:
                return
            for name in os.listdir(descriptor):  # noqa: PTH208
                os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        folder.rmdir()
