"""What will run: a Step of the plan and the facts of host and image, made into one frozen value. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from buildbox import identity
from buildbox.config.model import SOURCE_DATE_EPOCH
from buildbox.digest import Digest
from buildbox.tasks.environment import settled_environment
from buildbox.tasks.plan import Step

SOURCE = "/src"
HOSTNAME = "buildbox"
RUN_LABEL = "buildbox.run"  # the run that a container belongs to
NAME_LABEL = "buildbox.name"
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
_CA_VARIABLES = (  # what the tools that bring certificates of their own are told them by
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host, seen in the container."""

    source: str  # absolute, on the engine's machine
    target: str  # absolute, in the container
    read_only: bool = False


@dataclass(frozen=True)
class Tmpfs:
    """A folder in memory that is gone with the container."""

    target: str
    options: str  # as mount(8) takes them, e.g. "mode=1777,exec"


@dataclass(frozen=True)
class Volume:
    """A volume of the engine's, seen in the container."""

    name: str
    target: str  # absolute, in the container
    read_only: bool = False
    copy: bool = False  # while it is empty, it begins with what the image has at `target`; "" always does


@dataclass(frozen=True)
class ContainerSpec:
    """Everything an engine is told about a container; what isn't here, a task can't have."""

    image: str  # the engine's id for it, sha256:…; never a tag
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]  # sorted by name
    workdir: str
    user: str  # "uid:gid"
    binds: tuple[Bind, ...] = ()
    volumes: tuple[Volume, ...] = ()  # the named ones exist before; "" is an anonymous one
    tmpfs: tuple[Tmpfs, ...] = ()
    aliases: tuple[str, ...] = ()  # its host names in `network`, which is then one of buildbox's own
    also_networks: tuple[str, ...] = ()  # that it is connected to before it starts, beside `network`
    network: str = "none"
    hostname: str = HOSTNAME
    hosts: tuple[tuple[str, str], ...] = ()  # name and address, for /etc/hosts
    read_only: bool = True
    memory: int | None = None  # bytes
    cpus: float | None = None
    cpuset: str = ""  # the CPUs that it may run on, as cpuset(7) lists them: "0-2,7"; "" for all
    pids: int = 4096
    may_mount: bool = False  # root inside may mount file systems; never for a task: builders only
    tty: bool = False
    stdin: bool = False
    window: tuple[int, int] | None = None  # rows, columns of the tty
    labels: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True)
class Facts:
    """What a container needs to know of the host, the image and the run."""

    image: str  # the engine's id
    image_env: Mapping[str, str]
    run: str  # the run's id
    user: tuple[int, int]  # uid and gid that the task runs as
    binds: tuple[Bind, ...]  # the sources, the task's mounts, its secrets, the identity files
    passed_env: Mapping[str, str]  # what `pass-env` found at the caller's
    proxies: Mapping[str, str]  # the caller's proxy variables
    ca_bundle: str | None  # the host's certificates
    tty: bool
    stdin: bool
    window: tuple[int, int] | None
    epoch: int = SOURCE_DATE_EPOCH  # seconds; what the task takes for the time of its sources
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()  # beside /tmp and the home
    service_network: str | None = None  # of the task's services; instead of none and bridge, beside another


def container_spec(step: Step, facts: Facts) -> ContainerSpec:
    """The container of `step`, as section 4 of the specification has it."""
    task = step.task
    networked = task.network != "none"
    network = facts.service_network or task.network
    binds = facts.binds
    if networked and facts.ca_bundle:
        binds = (*binds, Bind(facts.ca_bundle, CA_FILE, read_only=True))
    uid, gid = facts.user
    return ContainerSpec(
        image=facts.image,
        argv=step.argv,
        env=tuple(sorted(_environment(step, facts, networked).items())),
        volumes=facts.volumes,
        workdir=SOURCE if task.workdir in ("", ".") else f"{SOURCE}/{task.workdir}",
        user=f"{uid}:{gid}",
        binds=binds,
        tmpfs=(
            Tmpfs("/tmp", "mode=1777,exec"),
            Tmpfs(identity.HOME, f"mode=0755,exec,uid={uid},gid={gid}"),
            *facts.tmpfs,
        ),
        network=network,
        also_networks=_beside(task.network) if facts.service_network else (),
        # Engines tell a container its own name only where it has an address; some programs insist on it.
        hosts=((HOSTNAME, "127.0.0.1"),) if network == "none" else (),
        read_only=task.rootfs == "read-only",
        memory=task.memory,
        cpus=task.cpus,
        pids=task.pids,
        tty=facts.tty,
        stdin=facts.stdin,
        window=facts.window,
        labels=((NAME_LABEL, f"buildbox-{facts.run}-{_safe(step.name)}"), (RUN_LABEL, facts.run)),
    )


def docker_command(spec: ContainerSpec) -> tuple[str, ...]:
    """The `docker run` that comes closest, for a person to paste. Environment values are left out."""
    options = {
        "--network": spec.network,
        "--user": spec.user,
        "--workdir": spec.workdir,
        "--hostname": spec.hostname,
        "--pids-limit": str(spec.pids),
        "--memory": str(spec.memory) if spec.memory else "",
        "--cpus": str(spec.cpus) if spec.cpus else "",
        "--cpuset-cpus": spec.cpuset,
        "--entrypoint": spec.argv[0],
    }
    binds = [
        f"type=bind,source={bind.source},target={bind.target}{',readonly' * bind.read_only}"
        for bind in spec.binds
    ]
    return (
        *("docker", "run", "--rm", "--init", "--security-opt=no-new-privileges"),
        *(["--read-only"] if spec.read_only else []),
        *(["--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"] if spec.may_mount else []),
        *(["-it"] if spec.tty else ["-i"] if spec.stdin else []),
        *(f"{option}={value}" for option, value in options.items() if value),
        *(f"--add-host={name}:{address}" for name, address in spec.hosts),
        *(f"--mount={bind}" for bind in binds),
        *(f"--tmpfs={mount.target}:{mount.options}" for mount in spec.tmpfs),
        *(f"--env={name}" for name, _ in spec.env),
        spec.image,
        *spec.argv[1:],
    )


def _environment(step: Step, facts: Facts, networked: bool) -> dict[str, str]:
    outwards: dict[str, str] = {}
    if networked:
        outwards |= facts.proxies
        if facts.ca_bundle:
            outwards |= dict.fromkeys(_CA_VARIABLES, CA_FILE)
    settled = settled_environment(step, facts.image_env, facts.passed_env, facts.epoch)
    given = settled.keys() & {*step.task.env, *facts.passed_env}
    return settled | {name: value for name, value in outwards.items() if name not in given}


def _beside(network: str) -> tuple[str, ...]:
    """What a task's `network` asks for beside that of its services, which has the reach of none or bridge."""
    return () if network in ("none", "bridge") else (network,)


def _safe(name: str) -> str:
    """A step's name as a part of a container's: a variant's has signs that those can't have."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return name
    return f"{re.sub('[^A-Za-z0-9_.-]+', '-', name)}{Digest.of(name.encode()).hex[:8]}"
