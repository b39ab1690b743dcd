"""Where a pinned image can be had beside the engine and the archive (SPEC section 5), best first."""

from __future__ import annotations

from dataclasses import dataclass

from buildbox.archive.remote import remote_ref
from buildbox.config.user import ArchiveSettings
from buildbox.errors import ImageError
from buildbox.reference import ImageRef

REMOTE = "remote archive"
_RESULTS = "results"  # a repository


@dataclass(frozen=True)
class Place:
    """A repository that may have an image. It is asked for digests only, so it can't give another one."""

    kind: str  # "remote archive", "mirror" or "registry"
    host: str  # as ImageRef.registry says it
    repository: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}"


def places_of(ref: ImageRef, settings: ArchiveSettings) -> tuple[Place, ...]:
    """The remote archive, the mirrors of the registry that `ref` names, that registry."""
    mirrors = (_mirror(mirror, ref) for mirror in settings.mirrors.get(ref.registry, ()))
    return (*remote_place(ref, settings.remote), *mirrors, Place("registry", ref.registry, ref.repository))


def own_place(ref: ImageRef) -> tuple[Place, ...]:
    """The registry that `ref` names, alone."""
    return places_of(ref, ArchiveSettings())


def remote_place(ref: ImageRef, remote: str) -> tuple[Place, ...]:
    """Where the remote archive `remote` would have the image, if there is one and it can have it."""
    if not remote:
        return ()
    try:
        kept = remote_ref(remote, ref)
    except ImageError:
        return ()  # it can have no such image: the name would be too long
    return (Place(REMOTE, kept.registry, kept.repository),)


def results_place(remote: str) -> Place:
    """The repository of results, and statements on them, in the remote archive `remote`."""
    host, _, path = remote.partition("/")
    return Place(REMOTE, host, f"{path}/{_RESULTS}" if path else _RESULTS)


def _mirror(mirror: str, ref: ImageRef) -> Place:
    host, slash, path = mirror.partition("/")
    return Place("mirror", host, f"{path}{slash}{ref.repository}")
