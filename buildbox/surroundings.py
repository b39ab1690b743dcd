"""The container of one attempt at a step, with what is around it: who it is, services, secrets, caches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.archive.images import ArchivedImage
from buildbox.config.model import FILE_NAME, Service
from buildbox.container import SOURCE, Bind, ContainerSpec, Facts, Tmpfs, Volume, container_spec
from buildbox.execute import Output
from buildbox.host import Host
from buildbox.project import find_git
from buildbox.session import Session
from buildbox.sources import (
    ca_bundle,
    git_binds,
    identity_binds,
    proxies,
    source_binds,
)
from buildbox.tasks.plan import Step
from buildbox.trust import check_task
from buildbox.workspace import FOLDER, STATE, own_folder

_HIDDEN = Tmpfs(f"{SOURCE}/{FOLDER}/{STATE}", "ro,mode=0555,size=4096")


@dataclass(frozen=True)
class View:
    """What a step sees of the project."""

    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True)
class Seats:
    """How the caller's streams are tied to a step."""

    stdin: bool = False
    tty: bool = False
    window: tuple[int, int] | None = None  # rows, columns


@dataclass(frozen=True)
class Ears:
    """Who is told of what happens around a step."""

    say: Callable[[str], None]
    log: Callable[[Service], Output]  # what a service prints
    stopped: Callable[[], bool] = lambda: False  # nobody waits for the step any more


@contextmanager
def surrounded(
    session: Session,
    step: Step,
    view: View,
    image: ArchivedImage,
    image_id: str,
    epoch: int,
    seats: Seats,
    ears: Ears,
) -> Iterator[ContainerSpec]:
    """The container of `step`, whose services are ready; what was started for it is gone afterwards.

    Raises ImageMissing where the engine lacks the image, EngineError, ImageError, ArchiveError, UsageError.
    """
    host, run = session.host, session.run
    user = user_of(session, step)
    identity = identity_binds(session.engine, image, image_id, host.data, run, user, step.toolchain.shell)
    with ExitStack() as stack:
        volumes: tuple[Volume, ...] = ()
        tmpfs: tuple[Tmpfs, ...] = ()
        network = None
        if step.task.caches:
            from buildbox.caches import Owner, cache_volumes

            owner = Owner(host.uid, session.bounds.project, host.data)
            volumes, tmpfs = cache_volumes(session.engine, image_id, step.task.caches, user, owner, run)
        secrets = session.secret_binds(step.task.secrets)
        if step.services:
            from buildbox.services import serve

            network = stack.enter_context(
                serve(
                    session.engine,
                    step.services,
                    run=run,
                    step=step.name,
                    internal=step.task.network != "bridge",
                    image_for=lambda service: session.image(service.image, service.platform),
                    say=ears.say,
                    stopped=ears.stopped,
                    log=ears.log,
                )
            )
        spec = container_spec(
            step,
            Facts(
                image=image_id,
                image_env=image.document.environment,
                run=run,
                user=user,
                binds=(*view.binds, *identity, *secrets),
                passed_env={name: host.env[name] for name in step.task.pass_env if name in host.env},
                proxies=proxies(host.env),
                ca_bundle=ca_bundle(host.env),
                tty=seats.tty,
                stdin=seats.stdin,
                window=seats.window,
                epoch=epoch,
                volumes=(*view.volumes, *volumes),
                tmpfs=(*view.tmpfs, *tmpfs),
                service_network=network,
            ),
        )
        unseen = session.unseen(spec.binds)
        if unseen:
            from buildbox.volumes import carried

            seen = tuple(bind for bind in spec.binds if bind not in unseen)
            spec = stack.enter_context(carried(session.engine, replace(spec, binds=unseen), run))
            spec = replace(spec, binds=seen)
        yield spec


def mounted_view(session: Session, step: Step) -> View:
    """The working tree itself, or the staged one, without what in it is buildbox's alone.

    Raises NotAllowed, ConfigError.
    """
    bounds = session.bounds
    mounts = check_task(step.task, bounds)  # again: links may have changed since, by a step before
    if session.staged:
        git = session.staged.git
    else:
        git = git_binds(bounds.root, find_git(bounds.root), session.host.data, writable=bounds.allowance.git)
    own, hidden = _guarded(bounds.root)
    return View((*source_binds(bounds.root, mounts), *git, *own), hidden)


def _guarded(root: Path) -> tuple[tuple[Bind, ...], tuple[Tmpfs, ...]]:
    """What keeps a task from buildbox's state: it can't see it, nor put a folder of its own in its place,
    since what is mounted can't be renamed. Where there can be no state, or there is no project (an empty
    folder for a smoke check, say), there is nothing to guard."""
    is_project = (root / FILE_NAME).is_file() or (root / FOLDER / STATE).is_dir()  # a task may move the file
    if not is_project or not own_folder(root, STATE):
        return (), ()
    return (Bind(os.fspath(root / FOLDER), f"{SOURCE}/{FOLDER}"),), (_HIDDEN,)


def staged_view(stage: Path) -> View:
    """A tree that was made for the step."""
    return View((Bind(os.fspath(stage), SOURCE),))


def user_of(session: Session, step: Step) -> tuple[int, int]:
    """uid and gid, in the container, that the step runs as."""
    return (0, 0) if session.rootless else _user(step.task.user, session.host)


def _user(user: str, host: Host) -> tuple[int, int]:
    if user == "caller":
        return host.uid, host.gid
    if user == "root":
        return 0, 0
    uid, _, gid = user.partition(":")
    return int(uid), int(gid)
