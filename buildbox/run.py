"""Runs the steps of a plan in their pinned images."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from buildbox.archive.images import ArchivedImage
from buildbox.config.model import SOURCE_DATE_EPOCH, Service
from buildbox.container import RUN_LABEL, docker_command
from buildbox.engine.protocol import Engine, ImageMissing
from buildbox.execute import Outcome, Output, Streams
from buildbox.execute.life import execute
from buildbox.leases import container_of, sweep
from buildbox.masking import Masked
from buildbox.session import Session
from buildbox.surroundings import Ears, Seats, mounted_view, surrounded
from buildbox.tasks.plan import Step


class Unheard:
    """An Output that nobody is interested in."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        pass


def run_step(
    session: Session,
    step: Step,
    streams: Streams,
    *,
    say: Callable[[str], None],
    epoch: int | None = None,
    service_log: Callable[[Service], Output] = lambda service: Unheard(),
) -> Outcome:
    """Runs one mounted step to its end, in an image that is fetched and loaded first where it has to be.

    In the main thread, whose signals go to it. `epoch`: its SOURCE_DATE_EPOCH, in seconds.
    Raises BuildboxError for everything but the task's own failure.
    """
    seats = Seats(streams.stdin is not None, streams.tty is not None, streams.window)
    ears = Ears(say, service_log)
    view = mounted_view(session, step)
    masked = Masked(streams.output, session.secrets.values()) if session.secrets else None
    streams = replace(streams, output=masked) if masked else streams

    def attempt(image: ArchivedImage, image_id: str) -> Outcome:
        time = SOURCE_DATE_EPOCH if epoch is None else epoch
        with surrounded(session, step, view, image, image_id, time, seats, ears) as spec:
            session.progress.detail(f"like: {shlex.join(docker_command(spec))}")
            return execute(session.engine, spec, streams, timeout=step.task.timeout, say=say)

    try:
        return _with_image(session, step, attempt)
    finally:
        if masked:
            masked.flush()


def sweep_dead(engine: Engine, runs: Path, now: float, runtime: str | None = None) -> int:
    """Removes what killed runs left in the engine, and their secrets; gives the number of containers.

    `runtime` is the caller's XDG_RUNTIME_DIR.
    """
    removed = 0

    def remove(run: str) -> None:
        from buildbox.secrets import sweep_secrets

        nonlocal removed
        sweep_secrets(run, runs.stat().st_uid, runtime)
        removed += remove_all(engine, run)

    sweep(runs, engine.address, now, remove)
    return removed


def sweep_orphans(engine: Engine) -> int:
    """Removes what runs left whose buildbox was in a container of the engine's that has ended since.

    No other sweep may know of them: their notes can be gone with it. Gives the number of containers.
    """
    lists = (engine.containers, engine.networks, engine.volumes)
    runs = {run for each in lists for _, run in each(RUN_LABEL) if container_of(run)}
    ended = {inside for inside in map(container_of, runs) if not engine.is_running(inside)}
    return sum(remove_all(engine, run) for run in sorted(runs) if container_of(run) in ended)


def remove_all(engine: Engine, run: str) -> int:
    """Removes what the run has in the engine; gives the number of containers. Raises EngineError."""
    containers = engine.containers(RUN_LABEL, run)
    for container, _ in containers:
        engine.remove(container)
    for network, _ in engine.networks(RUN_LABEL, run):  # which containers were in
        engine.remove_network(network)
    for volume, _ in engine.volumes(RUN_LABEL, run):
        engine.remove_volume(volume)
    return len(containers)


def _with_image(session: Session, step: Step, attempt: Callable[[ArchivedImage, str], Outcome]) -> Outcome:
    """`attempt` with the step's image: by the ids that its pin implies, and only if the engine
    has none of them, after it was loaded. That spares the question whether it is there."""
    ref = step.toolchain.image
    image = session.known_image(ref, step.toolchain.platform)
    if image:
        for image_id in image.ids:
            try:
                return attempt(image, image_id)
            except ImageMissing:
                continue
    return attempt(*session.image(ref, step.toolchain.platform, anew=True))
