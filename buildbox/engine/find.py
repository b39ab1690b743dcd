"""Which engine to talk to (SPEC section 9), decided without asking any of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from buildbox.errors import EngineError, UsageError
from buildbox.host import Host
from buildbox.oci import Platform

_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # that engines leave in containers
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Address:
    """Where an engine may listen, and who says so."""

    url: str  # unix:///…, tcp://…, ssh://…
    why: str
    tls_folder: Path | None = None  # holds ca.pem, cert.pem, key.pem
    tls_verify: bool = True

    @property
    def is_local(self) -> bool:
        """Whether it is a socket of this machine."""
        return self.url.startswith("unix://")

    def platform(self) -> Platform | None:
        """What containers run on there, as far as that is known without asking."""
        return own_platform() if self.is_local else None

    @property
    def path(self) -> Path:
        """The file of a local socket."""
        return Path(self.url.removeprefix("unix://"))


def own_platform() -> Platform | None:
    """This machine's platform; None where it has no well-known name."""
    ours = _ARCHITECTURES.get(os.uname().machine)
    return Platform("linux", ours) if ours else None


def in_container() -> bool:
    """Whether this process is in a container of Docker or Podman."""
    return any(mark.exists() for mark in _MARKS)


def find_address(host: Host, explicit: str | None) -> Address:
    """The engine's address: `--engine`, DOCKER_HOST, the current docker context, the usual sockets.

    Raises EngineError where there is none, UsageError for one that makes no sense.
    """
    tls = _tls_of(host.env)
    if explicit:
        return Address(_checked(explicit, "--engine"), "--engine", *tls)
    if url := host.env.get("DOCKER_HOST"):
        return Address(_checked(url, "DOCKER_HOST"), "DOCKER_HOST", *tls)
    context = _current_context(host)
    if context:
        return context
    for path in usual_sockets(host):
        if _is_socket(path):
            return Address(f"unix://{path}", "the usual socket")
    raise EngineError("no container engine was found on this machine", how_to_get_one(host))


def usual_sockets(host: Host) -> tuple[Path, ...]:
    """Where engines listen by default: docker, rootless docker, podman."""
    runtime = Path(host.env.get("XDG_RUNTIME_DIR") or f"/run/user/{host.uid}")
    home = Path(host.env.get("HOME") or "/")
    return (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    )


def engine_sockets(host: Host, address: Address | None) -> tuple[Path, ...]:
    """Every socket that would give a task the engine itself."""
    extra = ("/run/containerd/containerd.sock", "/run/crio/crio.sock")
    found = [*usual_sockets(host), *map(Path, extra)]
    if address and address.is_local:
        found.append(address.path)
    return tuple(found)


def how_to_get_one(host: Host) -> str:
    """What to do for an engine on this very system."""
    release = _os_release()
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    sudo = "" if host.uid == 0 else "sudo "
    if Path("/usr/sbin/dockerd").exists() or Path("/usr/bin/dockerd").exists():
        if Path("/run/systemd/system").is_dir():
            return f"Docker is installed but not running. Start it: {sudo}systemctl start docker"
        return f"Docker is installed but not running. Start it: {sudo}dockerd > /var/log/dockerd.log 2>&1 &"
    if family & {"debian", "ubuntu"}:
        return f"Install one: {sudo}apt-get install docker.io iptables"
    if family & {"fedora", "rhel", "centos"}:
        return f"Install one: {sudo}dnf install moby-engine && {sudo}systemctl start docker"
    if "arch" in family:
        return f"Install one: {sudo}pacman -S docker && {sudo}systemctl start docker"
    if "alpine" in family:
        return f"Install one: {sudo}apk add docker && {sudo}rc-service docker start"
    return "Install Docker Engine 20.10 or later, or name one that runs: --engine URL or DOCKER_HOST."


def cannot_reach(host: Host, address: Address, problem: str) -> EngineError:
    """The error for an engine that doesn't answer at `address`."""
    where = f"the engine at {address.url} ({address.why})"
    local = address.is_local
    if local and ("PermissionError" in problem or "Permission denied" in problem):
        return EngineError(f"{where} may not be used by this user", _how_to_join(address.path))
    if local:
        path = address.path
        problem = "nothing answers there" if path.exists() else "there is no such socket"
        others = [other for other in usual_sockets(host) if other != path and _is_socket(other)]
        hint = f"There is one at unix://{others[0]}." if others else how_to_get_one(host)
        return EngineError(f"{where} can't be reached: {problem}", hint)
    return EngineError(f"{where} can't be reached: {problem}", _how_to_reach(address))


def _how_to_reach(address: Address) -> str:
    """What to try for an engine elsewhere."""
    if address.url.startswith("ssh://"):
        parts = urlsplit(address.url)
        port = f" -p {parts.port}" if parts.port else ""
        user = f"{parts.username}@" if parts.username else ""
        return (
            f"Try by hand: ssh{port} {user}{parts.hostname} docker version\n"
            "It may ask nothing: take a key without a passphrase, or have it in ssh-agent, and a host that is"
            " known."
        )
    if address.tls_folder:
        folder = address.tls_folder
        return f"Check the address, ca.pem, cert.pem and key.pem in {folder}, and that the engine runs."
    return (
        "Check the address, and that the engine runs. One that wants TLS needs DOCKER_TLS_VERIFY=1 and,"
        " in DOCKER_CERT_PATH, ca.pem, cert.pem and key.pem."
    )


def _how_to_join(path: Path) -> str:
    """What to do for the group of the socket `path`; one of the host's has no name in a container."""
    import grp

    try:
        gid = path.stat().st_gid
        grp.getgrgid(gid)
    except KeyError:
        if in_container():
            return f"Start this container with the group that owns the socket (docker run --group-add {gid})."
    except OSError:
        pass  # it is gone
    return 'Join the group that owns the socket: sudo usermod -aG docker "$USER", then log in again.'


def _checked(url: str, origin: str) -> str:
    if url.startswith("/"):
        return f"unix://{url}"
    scheme, separator, rest = url.partition("://")
    known = separator and rest and scheme in ("unix", "tcp", "http", "https", "ssh", "npipe")
    if not known or (scheme not in ("unix", "npipe") and not _has_place(url)):
        raise UsageError(
            f"{origin}: {url!r} is not an engine's address",
            "Write unix:///path/to/socket, tcp://host:port or ssh://user@host.",
        )
    if scheme == "ssh" and (urlsplit(url).password is not None or "?" in rest or "#" in rest):
        raise UsageError(
            f"{origin}: an ssh address is ssh://USER@HOST:PORT, without a password",
            "Keys and all else are ssh's own affair: see ssh_config(5).",
        )
    return url


def _has_place(url: str) -> bool:
    """Whether a host is named, and its port, if there is one, is one."""
    try:
        parts = urlsplit(url)
        # A host with a hyphen in front would be an option for programs such as ssh.
        return bool(parts.hostname) and not str(parts.hostname).startswith("-") and parts.port != 0
    except ValueError:
        return False


def _tls_of(env: Mapping[str, str]) -> tuple[Path | None, bool]:
    verify = bool(env.get("DOCKER_TLS_VERIFY"))
    if not (verify or env.get("DOCKER_TLS")):
        return None, True
    folder = env.get("DOCKER_CERT_PATH") or str(_docker_folder(env))
    return Path(folder), verify


def _docker_folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or "/") / ".docker")


def _current_context(host: Host) -> Address | None:
    """The docker CLI's context, read from its files (`contexts/meta/<sha256 of the name>/meta.json`)."""
    folder = _docker_folder(host.env)
    name, why = host.env.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        try:
            name = json.loads((folder / "config.json").read_bytes()).get("currentContext")
        except (OSError, ValueError, AttributeError):
            return None
        why = f"the docker context {name!r}"
    if not name or name == "default":
        return None
    key = hashlib.sha256(str(name).encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts/meta" / key / "meta.json").read_bytes())
        endpoint = meta["Endpoints"]["docker"]
        url = _checked(endpoint["Host"], why)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise EngineError(
            f"the docker context {name!r} can't be read", "See `docker context ls`, or use --engine URL."
        ) from None
    tls = folder / "contexts/tls" / key / "docker"
    return Address(url, why, tls if tls.is_dir() else None, not endpoint.get("SkipTLSVerify", False))


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _os_release() -> dict[str, str]:
    """The fields of os-release(5)."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
