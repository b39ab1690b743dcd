"""A ContainerSpec in the words of the engine API's "Create a container" (1.41)."""

from __future__ import annotations

from typing import Any

from buildbox.container import ContainerSpec, Volume


def container_json(spec: ContainerSpec) -> dict[str, Any]:
    """The body of the engine API's "Create a container"."""
    return {
        "Image": spec.image,
        "Entrypoint": list(spec.argv),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in spec.env],
        "WorkingDir": spec.workdir,
        "User": spec.user,
        "Hostname": spec.hostname,
        "Labels": dict(spec.labels),
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkingConfig": {
            "EndpointsConfig": {spec.network: {"Aliases": list(spec.aliases)}} if spec.aliases else {}
        },
        "HostConfig": {
            "Mounts": [
                *(
                    {"Type": "bind", "Source": bind.source, "Target": bind.target, "ReadOnly": bind.read_only}
                    for bind in spec.binds
                ),
                *map(_volume, spec.volumes),
            ],
            "Tmpfs": {mount.target: mount.options for mount in spec.tmpfs},
            "NetworkMode": spec.network,
            "ExtraHosts": [f"{name}:{address}" for name, address in spec.hosts],
            "ReadonlyRootfs": spec.read_only,
            "Init": True,
            # The kernel asks for SYS_ADMIN to mount; AppArmor, where it is, denies it to containers.
            "SecurityOpt": ["no-new-privileges", *(["apparmor=unconfined"] if spec.may_mount else [])],
            "CapAdd": ["SYS_ADMIN"] if spec.may_mount else [],
            "CapDrop": ["MKNOD"],
            "PidsLimit": spec.pids,
            "Memory": spec.memory or 0,
            "MemorySwap": spec.memory or 0,
            "NanoCpus": round((spec.cpus or 0) * 1_000_000_000),
            "CpusetCpus": spec.cpuset,
            "ConsoleSize": list(spec.window or (0, 0)),
            "LogConfig": {"Type": "none"},
        },
    }


def _volume(volume: Volume) -> dict[str, Any]:
    mount: dict[str, Any] = {"Type": "volume", "Target": volume.target, "ReadOnly": volume.read_only}
    if not volume.name:
        return mount
    return {**mount, "Source": volume.name, "VolumeOptions": {"NoCopy": not volume.copy}}
