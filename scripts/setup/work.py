"""Doing what the plan says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from scripts.setup.machine import STAMP, Machine, answers, venv_stamp, venv_works
from scripts.setup.plan import CannotSetUp, Plan

SOCKET = "/var/run/docker.sock"
START_LIMIT = 60.0  # seconds
PID_FILES = {"/var/run/docker.pid": "dockerd", "/var/run/docker/containerd/containerd.pid": "containerd"}


def carry_out(machine: Machine, plan: Plan) -> None:
    """Install, start, make. Raises CannotSetUp at the first step that fails."""
    if plan.install:
        install(machine, [need.package for need in plan.install])
    if plan.start_engine:
        start_engine(machine)
    if plan.make_venv:
        make_venv(machine.root)


def install(machine: Machine, names: list[str]) -> None:
    """Install Debian packages without asking anything. The package lists are made new first."""
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    apt += ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"]
    # A mirror that has no answer today need not matter: whether the packages can be had is what counts.
    subprocess.run(_as_root(machine, [*apt, "update"]), check=False)
    _run(_as_root(machine, [*apt, "install", "--no-install-recommends", *names]))


def start_engine(machine: Machine) -> None:
    """Have an engine answer on its usual socket. One that the package has started already is left alone."""
    log = machine.root / ".buildbox" / "dockerd.log"
    dockerd = None
    if machine.systemd:
        _run(_as_root(machine, ["systemctl", "start", "docker"]))
    elif not _remove_stale_pid_files(machine):
        _choose_iptables(machine)
        dockerd = _start_in_background(machine, log)
    _wait_for_engine(dockerd, log)
    if machine.uid != 0:
        _run(_as_root(machine, ["usermod", "-aG", "docker", machine.user]))
        # Groups count from the next log-in on; until then the socket is this user's own group's.
        _run(_as_root(machine, ["chgrp", str(machine.gid), SOCKET]))
        _wait_for_engine(dockerd, log)


def make_venv(root: Path) -> None:
    """Make `.venv` hold the package (editable) and what its development needs."""
    python = str(root / ".venv/bin/python")
    if not venv_works(root):
        _run([sys.executable, "-m", "venv", "--clear", str(root / ".venv")])
    _run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", f"{root}[dev]"])
    (root / ".venv" / STAMP).write_text(venv_stamp(root))


def _remove_stale_pid_files(machine: Machine) -> bool:
    """Whether a dockerd runs. A dead one's pid file goes: its pid may be another's by now."""
    running = False
    for file, program in PID_FILES.items():
        try:
            pid = int(Path(file).read_text())
        except (OSError, ValueError):
            continue
        try:
            alive = Path(f"/proc/{pid}/comm").read_text().strip() == program
        except OSError:
            alive = False
        if not alive:
            _run(_as_root(machine, ["rm", "-f", file]))
        running = running or (alive and program == "dockerd")
    return running


def _choose_iptables(machine: Machine) -> None:
    """Take the older iptables where the kernel lacks what the newer one asks for: dockerd needs one."""
    if _iptables_works(machine, "iptables") or not _iptables_works(machine, "iptables-legacy"):
        return
    print("setup: this kernel has no nftables: choosing iptables-legacy", flush=True)
    _run(_as_root(machine, ["update-alternatives", "--set", "iptables", "/usr/sbin/iptables-legacy"]))


def _iptables_works(machine: Machine, program: str) -> bool:
    if not shutil.which(program):
        return False
    command = _as_root(machine, [program, "--wait", "-t", "nat", "-S"])
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _start_in_background(machine: Machine, log: Path) -> subprocess.Popen[bytes]:
    print(f"$ dockerd > {log} 2>&1 &", flush=True)
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        # In a session of its own: it outlives this command, and Ctrl-C here is not meant for it.
        return subprocess.Popen(
            _as_root(machine, ["dockerd"]),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _wait_for_engine(dockerd: subprocess.Popen[bytes] | None, log: Path) -> None:
    """Wait until the engine answers, or keeps this user out (then it is up as well)."""
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        try:
            if answers(f"unix://{SOCKET}"):
                return
        except PermissionError:
            return
        except OSError:
            pass  # not yet
        if dockerd and dockerd.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise CannotSetUp(f"dockerd ended with status {dockerd.returncode}; the end of {log}:\n{tail}")
        time.sleep(0.2)
    where = str(log) if dockerd else "journalctl -u docker, or end the dockerd that runs already"
    raise CannotSetUp(f"the engine doesn't answer on {SOCKET} after {START_LIMIT:.0f} s; see {where}")


def _as_root(machine: Machine, command: list[str]) -> list[str]:
    return command if machine.uid == 0 else ["sudo", "-n", *command]


def _run(command: list[str]) -> None:
    print("$ " + " ".join(command), flush=True)
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise CannotSetUp(f"this failed with exit status {status}: {' '.join(command)}")
