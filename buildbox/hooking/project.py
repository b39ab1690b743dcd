"""The project as it is staged: its configuration, and which of its images are on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from buildbox.config.load import inside, parse
from buildbox.config.model import FILE_NAME, Config, Pinned
from buildbox.config.text import read_text
from buildbox.errors import ConfigError
from buildbox.hooking.repository import Repository
from buildbox.hooking.snapshot import Snapshot
from buildbox.hooking.staged import not_staged

if TYPE_CHECKING:
    from buildbox.session import Session
    from buildbox.tasks.plan import Step


def read_staged(made: Snapshot, repository: Repository, project: str) -> Config:
    """The configuration that the commit will have, of the project in the folder `project`.

    Raises UsageError where it will have none, ConfigError.
    """
    copy, real = made.top / project, repository.top / project
    try:
        return parse(read_text(inside(copy / FILE_NAME)), real / FILE_NAME)
    except FileNotFoundError:
        raise not_staged(repository, real) from None
    except ConfigError as error:
        reason = error.reason.replace(str(made.top), str(repository.top))
        raise ConfigError(f"{reason} (as it is staged)", error.hint, error.problems) from None


def missing_images(session: Session, steps: Iterable[Step]) -> tuple[Pinned, ...]:
    """What the steps run in, or beside, that is neither in the archive nor in the engine.

    The engine is asked only where the archive hasn't all of an image. Raises ImageError for what isn't
    pinned, ArchiveError, EngineError.
    """
    wanted: dict[tuple[str, str], Pinned] = {}
    for step in steps:
        wanted[step.toolchain.key] = step.toolchain
        wanted.update((service.key, service) for service in step.services)
    return tuple(pinned for pinned in wanted.values() if not _is_here(session, pinned))


def _is_here(session: Session, pinned: Pinned) -> bool:
    image = session.known_image(pinned.image, pinned.platform)
    if image is None:
        return False
    if all(session.archive.has(layer.digest) for layer in image.layers):
        return True
    return any(session.engine.has_image(id_) for id_ in image.ids)
