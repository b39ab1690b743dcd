"""A command that waits at a gate: a shell that starts early, and becomes the command when told to. Pure.

The command can't tell that it was parked: process id and parent, environment (in order and to the byte), open
files, signals and working folder are what an engine gives it directly. A program that isn't there, or may not
be run, is status 127 or 126 as without the gate; env(1) says so then, instead of the engine's init.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from buildbox.container import ContainerSpec

READY = b"\n"  # what the gate writes when it is up
GO = b"\n"  # what opens it
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "busybox"})  # zsh reads files before
_MEANT_FOR_SHELLS = ("BASH_ENV", "BASHOPTS", "ENV", "SHELLOPTS")  # would be heeded by the gate's shell, too
_LONGEST = 1 << 17  # bytes of arguments and environment; kernels allow many times that
# Where the line never comes, nothing runs, and the status says that something went wrong. `container` and
# TERM are what Podman sets unasked. Without env(1), the shell leaves out what it has added itself.
_SCRIPT = """\
echo && IFS= read -r go || exit 120
command -v env >/dev/null || { shift "$0"; unset PWD OLDPWD SHLVL; exec "$@" <>/dev/null; }
exec env -i ${container+"container=$container" "TERM=$TERM"} "$@" <>/dev/null"""


def gated(spec: ContainerSpec, shell: Sequence[str]) -> ContainerSpec | None:
    """`spec` with its command behind a gate; None where that can't be, or could be told.

    `shell` is the toolchain's, whose first words name a program that the image should have. `spec.env` holds
    all variables, the image's own too, as those of `container_spec` do: no others get through the gate. For
    commands without stdin and tty: the gate's own stdin is where the line comes from.
    """
    program = shell[0].rpartition("/")[2]
    env = dict(spec.env)
    if spec.stdin or spec.tty or program not in _SHELLS or "=" in spec.argv[0]:
        return None
    if "PATH" not in env or "HOME" not in env:  # then the engine sets them
        return None
    if any(name in _MEANT_FOR_SHELLS or name.startswith(("BASH_FUNC_", "-")) for name in env):
        return None
    # The engine's order: its own variables first, with the values that they are given.
    ordered = {"PATH": env["PATH"], "HOSTNAME": spec.hostname, **env}
    words = (*(f"{name}={value}" for name, value in ordered.items()), *spec.argv)
    if sum(len(word.encode(errors="surrogateescape")) + 1 for word in words) > _LONGEST:
        return None
    gate = (shell[0], "sh") if program == "busybox" else (shell[0],)
    return replace(spec, argv=(*gate, "-c", _SCRIPT, str(len(ordered)), *words), stdin=True)
