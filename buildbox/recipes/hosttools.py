"""Debian's programs as processes of this machine."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from buildbox.recipes.tools import NOT_FOUND, PATH, Command, Finished

_ISOLATED = (
    "unshare",
    "--mount",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child",
)
_POLL = 0.2  # seconds between two calls of `watch`
_READ = 1 << 16  # bytes of stderr at a time
_GRACE = 30  # seconds for a program to tidy up when it is stopped


class HostTools:
    """This machine's own programs, as the caller."""

    def __init__(self, env: Mapping[str, str], as_root: bool) -> None:
        """`env`: the caller's, for proxies and apt's settings."""
        self._env = env
        self.as_root = as_root

    def run(
        self,
        command: Command,
        on_line: Callable[[str], None] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Finished:
        """See Tools."""
        env = {**(self._env if command.network else {}), **command.env, "PATH": PATH}
        argv = command.argv
        if command.isolated and command.place:
            env["TMPDIR"] = str(_scratch(command.place.path))
            argv = (*(_isolation(env) if self.as_root else ()), *argv)
        with TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    argv,
                    env=env,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for us; we stop it in order
                    # The place stays taken until the last of its processes is gone.
                    pass_fds=(command.place.lock,) if command.place else (),
                )
            except FileNotFoundError:
                return Finished(NOT_FOUND, "", f"{argv[0]}: not found")
            try:
                errors = _errors(process, on_line, watch)
                status = process.wait()
            except BaseException:
                _stop(process)
                raise
            output.seek(0)
            said = output.read().decode(errors="replace")
        return Finished(status if status >= 0 else 128 - status, said, errors)


def _scratch(place: Path) -> Path:
    """Where a root file system can be made; in a user namespace, its root is a stranger to us."""
    folder = place / "root"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)
    return folder


def _isolation(env: Mapping[str, str]) -> tuple[str, ...]:
    """What to put before the command, as root, so that nothing reaches the network or outlives us.

    Inside a plain container that isn't permitted; mmdebstrap then does without mounts.
    """
    try:
        probe = subprocess.run([*_ISOLATED, "true"], env=env, capture_output=True, check=False)
    except OSError:
        return ()
    return _ISOLATED if probe.returncode == 0 else ()


def _errors(
    process: subprocess.Popen[bytes], on_line: Callable[[str], None] | None, watch: Callable[[], None] | None
) -> str:
    """All of the process's stderr."""
    assert process.stderr
    lines, rest = [], b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stderr, selectors.EVENT_READ)
        while True:
            if watch:
                watch()
            if not ready.select(_POLL if watch else None):
                continue
            data = os.read(process.stderr.fileno(), _READ)
            *whole, rest = (rest + data).split(b"\n")
            if not data and rest:
                whole, rest = [rest], b""
            for line in whole:
                lines.append(line.decode(errors="replace"))
                if on_line:
                    on_line(lines[-1])
            if not data:
                return "".join(f"{line}\n" for line in lines)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the whole group and waits until none of it writes any more."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    except ProcessLookupError:
        pass  # it has just ended
