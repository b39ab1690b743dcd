"""Whether a service is ready: by its `ready` command, its port, or its image's own health check."""

from __future__ import annotations

from collections.abc import Callable

from buildbox.archive.images import ImageConfig
from buildbox.config.model import Service
from buildbox.engine.protocol import Engine
from buildbox.services.faults import ServiceFailed

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"  # the state TCP_LISTEN (proc(5), /proc/net/tcp)
_PRINT = 'for table in "$@"; do while read -r line; do echo "$line"; done < "$table"; done'
_PRINTERS = (  # programs that print files; the first that a service has
    ("cat", *_TABLES),
    ("/bin/busybox", "cat", *_TABLES),
    ("/bin/sh", "-c", _PRINT, "sh", *_TABLES),
)
_MISSING = (126, 127)  # statuses of a program that isn't there


def readiness(
    engine: Engine, container: str, service: Service, image: ImageConfig
) -> Callable[[], tuple[bool, str]]:
    """What tells whether the service is ready in its running container, and if not, why: to be asked again
    and again. It raises EngineError, and ServiceFailed where it can't be told.

    The image's health check is asked at once and often, whatever interval it names.
    """
    if service.ready is not None:
        return _by_command(engine, container, ("/bin/sh", "-c", service.ready), "`ready`")
    if service.ready_port is not None:
        return _by_port(engine, container, service)
    kind, *rest = image.healthcheck or ("NONE",)
    if kind == "CMD" and rest:
        return _by_command(engine, container, tuple(rest), "its image's health check")
    if kind == "CMD-SHELL" and rest:
        shell = image.shell or ("/bin/sh", "-c")
        return _by_command(engine, container, (*shell, rest[0]), "its image's health check")
    return _by_running()


def listens(tables: str, port: int) -> bool:
    """Whether /proc/net/tcp or tcp6 (proc(5)) shows a socket that others can connect to on `port`.

    One that listens on the loopback alone isn't such: servers do so while they set themselves up.
    """
    for line in tables.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == _LISTEN:
            address, _, number = words[1].rpartition(":")
            if int(number, 16) == port and not _is_loopback(address):
                return True
    return False


def _is_loopback(address: str) -> bool:
    """Whether an address, hexadecimal, its 32-bit words in little-endian order, is of the loopback."""
    if len(address) == 8:
        return address.endswith("7F")
    mapped = address.startswith("0000000000000000FFFF0000") and address.endswith("7F")
    return mapped or address == "00000000000000000000000001000000"


def _by_command(
    engine: Engine, container: str, argv: tuple[str, ...], what: str
) -> Callable[[], tuple[bool, str]]:
    def ask() -> tuple[bool, str]:
        status, output = engine.execute(container, argv)
        said = output.decode(errors="replace").strip().splitlines()
        return status == 0, f"{what} ended with status {status}{f': {said[-1]}' if said else ''}"

    return ask


def _by_running() -> Callable[[], tuple[bool, str]]:
    """Ready at the second question: a program that can't start has ended until then."""
    answers = iter((False,))
    return lambda: (next(answers, True), "it has only just started")


def _by_port(engine: Engine, container: str, service: Service) -> Callable[[], tuple[bool, str]]:
    ways = list(_PRINTERS)

    def ask() -> tuple[bool, str]:
        while ways:
            status, output = engine.execute(container, ways[0])
            if status not in _MISSING:
                # Without IPv6 one of the two files is missing, and the other is enough.
                ready = listens(output.decode(errors="replace"), service.ready_port or 0)
                return ready, f"nothing listens on port {service.ready_port}"
            del ways[0]
        raise ServiceFailed(
            f"service {service.name!r} can't be asked whether it listens: its image has neither cat nor sh",
            f"Give [services.{service.name}] a `ready` command, or leave out ready-port.",
        )

    return ask
