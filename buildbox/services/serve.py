"""All services of one attempt at a task, in a network of their own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from buildbox.archive.images import ArchivedImage
from buildbox.config.model import Service
from buildbox.container import RUN_LABEL
from buildbox.engine.protocol import Engine
from buildbox.errors import EngineError
from buildbox.execute import Output
from buildbox.services.faults import ServiceStopped
from buildbox.services.running import Running
from buildbox.services.spec import service_spec

_TICK = 0.1  # seconds between two looks at whether anybody still waits


@contextmanager
def serve(
    engine: Engine,
    services: Sequence[Service],
    *,
    run: str,
    step: str,
    internal: bool,
    image_for: Callable[[Service], tuple[ArchivedImage, str]],
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    log: Callable[[Service], Output],
) -> Iterator[str]:
    """Starts the services and waits until all are ready; gives the id of the network in which each is found
    by its name. However the context ends, nothing of them is left.

    `image_for` gives a service's image and the engine's id for it, `log` takes what it prints. `internal`:
    nothing outside is reached from the network. `say` hears of a service that ended while the task ran.
    Raises ServiceFailed, ServiceLate, ServiceStopped (once `stopped` says so), EngineError, and what
    `image_for` raises.
    """
    images = {service.name: image_for(service) for service in services}
    mark = os.urandom(4).hex()
    network = engine.make_network(f"buildbox-{run}-{mark}", {RUN_LABEL: run}, internal=internal)
    changed = threading.Event()
    running: list[Running] = []
    try:
        for service in services:
            image, image_id = images[service.name]
            spec = service_spec(service, image.document, image_id, network=network, run=run, mark=mark)
            running.append(Running(service, log(service), changed))
            running[-1].start(engine, spec, image.document)
        _wait(running, changed, stopped, step)
        yield network
        for each in running:
            if each.has_ended():
                say(_while_it_ran(each, step))
    except BaseException:
        _remove(engine, running, network)  # the first fault is the one that is told
        raise
    for fault in _remove(engine, running, network)[:1]:
        raise fault


def _wait(
    running: Sequence[Running], changed: threading.Event, stopped: Callable[[], bool], step: str
) -> None:
    """Until all are ready. Raises ServiceFailed for the first that won't be, ServiceStopped."""
    while True:
        changed.wait(_TICK)
        changed.clear()
        now = time.monotonic()
        for each in running:
            if isinstance(each.fault, Exception) and not isinstance(each.fault, EngineError):
                raise each.fault
            failure = None if each.is_ready and not each.ended else each.failure(now)
            if failure:
                raise failure
        if all(each.is_ready for each in running):
            return
        if stopped():
            raise ServiceStopped(f"{step} was stopped while its services were started")


def _while_it_ran(each: Running, step: str) -> str:
    last = each.last_output()
    printed = f"; the last that it printed:\n{last}" if last else ""
    return f"service {each.service.name!r} {each.end()} while {step} ran{printed}"


def _remove(engine: Engine, running: Sequence[Running], network: str) -> list[EngineError]:
    """Removes all containers, then the network; goes on after a fault, and gives them all."""
    faults: list[EngineError] = []

    def attempt(work: Callable[[], None]) -> None:
        try:
            work()
        except EngineError as error:
            faults.append(error)

    threads = [
        threading.Thread(target=attempt, args=(lambda each=each: each.stop(engine),), daemon=True)
        for each in running
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attempt(lambda: engine.remove_network(network))
    return faults
