"""Runs the steps of a plan in their pinned images."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from buildbox import images
from buildbox.archive.images import ArchivedImage
from buildbox.container import RUN_LABEL, Facts, container_spec, docker_command
from buildbox.engine.protocol import Engine, ImageMissing
from buildbox.execute import Outcome, Streams, execute
from buildbox.host import Host
from buildbox.leases import sweep
from buildbox.project import find_git
from buildbox.session import Session
from buildbox.sources import ca_bundle, git_binds, identity_binds, proxies, source_binds
from buildbox.tasks.plan import Step
from buildbox.trust import Bounds, check_task


def run_step(session: Session, step: Step, streams: Streams, *, say: Callable[[str], None]) -> Outcome:
    """Runs one step to its end, in an image that is fetched and loaded first where it has to be.

    Raises BuildboxError for everything but the task's own failure.
    """
    bounds = session.bounds
    mounts = check_task(step.task, bounds)  # again: links may have changed since, by a step before
    git = git_binds(bounds.root, find_git(bounds.root), session.host.data, writable=bounds.allowance.git)
    passed = {name: session.host.env[name] for name in step.task.pass_env if name in session.host.env}
    user = (0, 0) if session.rootless else _user(step.task.user, session.host)

    def attempt(image: ArchivedImage, image_id: str) -> Outcome:
        facts = Facts(
            image=image_id,
            image_env=dict(pair.split("=", 1) for pair in image.document.env if "=" in pair),
            run=session.run,
            user=user,
            binds=(
                *source_binds(bounds.root, mounts),
                *git,
                *identity_binds(
                    session.engine,
                    image,
                    image_id,
                    session.host.data,
                    session.run,
                    user,
                    step.toolchain.shell,
                ),
            ),
            passed_env=passed,
            proxies=proxies(session.host.env),
            ca_bundle=ca_bundle(session.host.env),
            tty=streams.tty is not None,
            stdin=streams.stdin is not None,
            window=streams.window,
        )
        spec = container_spec(step, facts)
        session.progress.detail(f"like: {shlex.join(docker_command(spec))}")
        return execute(session.engine, spec, streams, timeout=step.task.timeout, say=say)

    return _with_image(session, step, attempt)


def vet(steps: Iterable[Step], bounds: Bounds) -> None:
    """Refuses what may not run, before an engine is asked: unpinned images, what the user must allow.

    Raises ImageError, NotAllowed, ConfigError.
    """
    for step in steps:
        images.require_pin(step.toolchain.image)
        check_task(step.task, bounds)


def sweep_dead(engine: Engine, runs: Path, now: float) -> int:
    """Removes what runs that were killed left in the engine; gives the number of containers."""
    removed = 0

    def remove(run: str) -> None:
        nonlocal removed
        for container, _ in engine.containers(RUN_LABEL, run):
            engine.remove(container)
            removed += 1

    sweep(runs, engine.address, now, remove)
    return removed


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


def _user(user: str, host: Host) -> tuple[int, int]:
    """uid and gid that a task's `user` stands for."""
    if user == "caller":
        return host.uid, host.gid
    if user == "root":
        return 0, 0
    uid, _, gid = user.partition(":")
    return int(uid), int(gid)
