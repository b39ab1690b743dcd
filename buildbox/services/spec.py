"""A service of the configuration and its image's own words, as a container. Pure."""

from __future__ import annotations

from buildbox.archive.images import ImageConfig
from buildbox.config.model import Service
from buildbox.container import NAME_LABEL, RUN_LABEL, ContainerSpec, Tmpfs, Volume
from buildbox.services.faults import ServiceFailed

_IN_MEMORY = ("/tmp", "/var/tmp")  # writable in a root file system that isn't
_COPIED = "/run"  # writable too, and with the folders that the image has there, which servers rely on


def service_spec(
    service: Service, image: ImageConfig, image_id: str, *, network: str, run: str, mark: str
) -> ContainerSpec:
    """The container of `service` in `network`; `mark` is part of its name.

    Command, user, environment and working folder are the image's own where the service says nothing.
    Raises ServiceFailed where neither names a command.
    """
    argv = _command(service, image)
    if not argv:
        raise ServiceFailed(
            f"service {service.name!r}: its image {service.image} has no command of its own",
            f'Say what it runs: [services.{service.name}] run = "…" or argv = [ … ]',
        )
    env = image.environment | dict(service.env)
    volumes = {*image.volumes}
    read_only = service.rootfs == "read-only"
    if read_only:
        volumes.add(_COPIED)
    return ContainerSpec(
        image=image_id,
        argv=argv,
        env=tuple(sorted(env.items())),
        workdir=image.workdir or "/",
        user="0:0" if service.user == "root" else service.user or image.user,
        volumes=tuple(Volume("", target) for target in sorted(volumes)),
        tmpfs=tuple(
            Tmpfs(target, "mode=1777,exec") for target in _IN_MEMORY if read_only and target not in volumes
        ),
        aliases=(service.name,),
        network=network,
        hostname=service.name,
        read_only=read_only,
        memory=service.memory,
        cpus=service.cpus,
        pids=service.pids,
        labels=((NAME_LABEL, f"buildbox-{run}-{mark}-{service.name}"), (RUN_LABEL, run)),
    )


def _command(service: Service, image: ImageConfig) -> tuple[str, ...]:
    if service.argv is not None:
        return service.argv
    if service.run is not None:
        return ("/bin/sh", "-e", "-c", service.run)
    return (*image.entrypoint, *image.cmd)
