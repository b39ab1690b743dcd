"""What there is to do on a machine, decided before the first change is made to it."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.setup.machine import Machine


@dataclass(frozen=True)
class Need:
    """Something that a command can't do without."""

    command: str  # that is there where the need is met
    package: str  # Debian's
    why: str
    elsewhere: str = ""  # what it is called where there are no Debian packages


ENGINE = Need("dockerd", "docker.io", "the container engine; none answers here")
IPTABLES = Need("iptables", "iptables", "networks for its containers")
VENV = Need("", "python3-venv", "makes virtual environments", "Python's venv and ensurepip modules")
MMDEBSTRAP = Need("mmdebstrap", "mmdebstrap", "makes the toolchain image", "mmdebstrap (works on Linux only)")
UIDMAP = Need(
    "newuidmap", "uidmap", "lets mmdebstrap and engines work without root", "newuidmap (a shadow utility)"
)
DOCKERD = Need("dockerd", "docker.io", "the container engine; tests start some of their own", "dockerd")
GIT = Need("git", "git", "tells which commit is built", "git")
REGISTRY = Need("docker-registry", "docker-registry", "for the tests", "docker-registry (CNCF Distribution)")
BUSYBOX = Need("busybox", "busybox-static", "for the tests", "busybox, statically linked, as /bin/busybox")
OPENSSL = Need("openssl", "openssl", "for the tests", "openssl")
FAKETIME = Need(
    "faketime", "faketime", "another clock for builds, with libfaketime", "faketime and libfaketime"
)
DIFFOSCOPE = Need("diffoscope", "diffoscope-minimal", "tells of differences", "diffoscope")
SKOPEO = Need("skopeo", "skopeo", "another reader of images, for the tests", "skopeo")
ZSTD = Need("zstd", "zstd", "for the tests", "zstd")
SSHD = Need(
    "sshd", "openssh-server", "for the tests, which don't need the service that comes with it", "sshd"
)
PODMAN = Need("podman", "podman", "another engine, for the tests", "podman")
NETAVARK = Need("/usr/lib/podman/netavark", "netavark", "Podman's networks", "netavark")
AARDVARK = Need("/usr/lib/podman/aardvark-dns", "aardvark-dns", "names in Podman's networks", "aardvark-dns")
CATATONIT = Need("catatonit", "catatonit", "the first process of Podman's containers", "catatonit")
ROOTLESSKIT = Need("rootlesskit", "rootlesskit", "for an engine that isn't root's", "rootlesskit")
SLIRP4NETNS = Need("slirp4netns", "slirp4netns", "networks for engines that aren't root's", "slirp4netns")

COMMON = (IPTABLES, VENV, MMDEBSTRAP, GIT)
ENGINES = (PODMAN, NETAVARK, AARDVARK, CATATONIT, ROOTLESSKIT, SLIRP4NETNS, UIDMAP)
TESTS = (REGISTRY, BUSYBOX, OPENSSL, FAKETIME, DIFFOSCOPE, SKOPEO, ZSTD, SSHD, *ENGINES)
NEEDS = {"demo": (ENGINE, *COMMON), "test": (DOCKERD, *COMMON, *TESTS)}


@dataclass(frozen=True)
class Plan:
    """What will be done, in this order."""

    install: tuple[Need, ...]
    start_engine: bool
    make_venv: bool


class CannotSetUp(Exception):
    """Why this machine can't be set up, and what a person can do about it."""


def decide(machine: Machine, needs: tuple[Need, ...]) -> Plan:
    """What is to be done on `machine` for `needs`.

    Raises CannotSetUp, before anything is changed, where something is missing that only a person can get.
    """
    if machine.engine_problem:
        raise CannotSetUp(f"{machine.engine_problem}\nNothing was changed.")
    if machine.uid != 0 and UIDMAP not in needs:
        needs = (*needs, UIDMAP)
    missing = tuple(need for need in needs if _is_missing(machine, need))
    plan = Plan(missing, start_engine=not machine.engine, make_venv=not machine.venv_ready)
    if not (plan.install or plan.start_engine):
        return plan
    if not machine.may_install or (plan.install and not machine.apt):
        raise CannotSetUp(_by_hand(machine, plan))
    return plan


def announce(machine: Machine, plan: Plan) -> str:
    """What a person should know before it happens."""
    lines = [(f"install {need.package}", need.why) for need in plan.install]
    if plan.start_engine:
        how = "with systemd" if machine.systemd else "in the background; its log: .buildbox/dockerd.log"
        lines.append(("start dockerd", how))
        if machine.uid != 0:
            lines.append((f"add {machine.user} to the group docker", "who may use it can become root"))
    if plan.make_venv:
        lines.append(("make .venv", "buildbox and its development tools, by pip from pyproject.toml"))
    if not lines:
        return f"setup: all is here; the engine is {machine.engine}"
    rights = "as root" if machine.uid == 0 else f"as {machine.user}, by sudo where root is needed"
    width = max(len(what) for what, _ in lines)
    return "\n".join(
        [
            f"setup: on {machine.system}, {rights}, this will",
            *(f"  {what:<{width}}  ({why})" for what, why in lines),
        ]
    )


def _is_missing(machine: Machine, need: Need) -> bool:
    if need in (ENGINE, IPTABLES) and machine.engine:
        return False
    if need is VENV:
        return not (machine.venv_ready or machine.ensurepip)
    return need.command not in machine.commands


def _by_hand(machine: Machine, plan: Plan) -> str:
    reason = "no apt-get here" if not machine.apt else "neither root nor a sudo that asks for no password"
    lines = [f"{machine.system} can't be set up automatically: {reason}. Nothing was changed."]
    if machine.apt:
        lines.append("As root, do this:")
        if plan.install:
            packages = " ".join(need.package for need in plan.install)
            lines.append(f"  apt-get install --no-install-recommends {packages}")
        if plan.start_engine:
            start = "systemctl start docker" if machine.systemd else "dockerd > /var/log/dockerd.log 2>&1 &"
            lines += [f"  {start}", f"  usermod -aG docker {machine.user}   (and log in again)"]
    else:
        elsewhere = [need.elsewhere for need in plan.install if need.elsewhere]
        lines += ["Install this by hand:", *(f"  {what}" for what in elsewhere)] if elsewhere else []
        if plan.start_engine:
            lines.append(f"The container engine: {machine.engine_advice}")
    return "\n".join([*lines, "Then run the same command again."])
