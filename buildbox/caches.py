"""A project's caches: named volumes of the engine's, one for each cache and user that tasks run as."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.container import Tmpfs, Volume
from buildbox.engine.protocol import Engine
from buildbox.errors import EngineError
from buildbox.identity import HOME
from buildbox.volumes import own, reached

CACHE_LABEL = "buildbox.cache"  # the project's folder
OWNER_LABEL = "buildbox.owner"  # the uid of the caller whose project it is


@dataclass(frozen=True)
class Owner:
    """Whose caches they are: they outlive the run."""

    uid: int  # the caller's
    project: Path  # its folder
    data: Path  # buildbox's own folder, where it notes which volumes are the task's user's


def cache_volumes(
    engine: Engine, image_id: str, caches: Mapping[str, str], user: tuple[int, int], owner: Owner, run: str
) -> tuple[tuple[Volume, ...], tuple[Tmpfs, ...]]:
    """The volumes of `caches` (name -> place in the container), made where they aren't there yet, and
    the folders between the home and them, which the user must be able to write to as well.

    `image_id` is any image of the engine's. Two runs may do this at once: whoever doesn't know a volume for
    the user's gives it to the user, again maybe. Raises ImageMissing, EngineError.
    """
    project = owner.project.resolve()
    labels = {CACHE_LABEL: str(project), OWNER_LABEL: str(owner.uid)}
    volumes = [Volume(volume_name(project, name, user), target) for name, target in caches.items()]
    strange = [
        volume
        for volume in volumes
        if engine.make_volume(volume.name, labels) or not _note(owner.data, engine, volume).exists()
    ]
    if strange:
        places = [Volume(volume.name, f"/cache-{number}") for number, volume in enumerate(strange)]
        if user != (0, 0):  # whose every new volume is
            with reached(engine, image_id, places, run) as container:
                own(engine, container, [place.target for place in places], user)
        for volume in strange:
            with suppress(OSError):  # then the next run does it again
                note = _note(owner.data, engine, volume)
                note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                note.touch()
    return tuple(volumes), folders_above([volume.target for volume in volumes], user)


def volume_name(project: Path, cache: str, user: tuple[int, int]) -> str:
    """The volume's name: also of the user, since programs refuse a cache that is another's, or spoil it."""
    digest = hashlib.sha256(str(project).encode(errors="surrogateescape")).hexdigest()
    return f"buildbox-{digest[:12]}-{cache}-{user[0]}"


def remove_caches(engine: Engine, uid: int, project: Path | None) -> int:
    """Removes the caches of a project, or of all the projects of the caller `uid`; gives their number.

    Raises EngineError naming those that a running container has, after the others are gone.
    """
    mine = dict(engine.volumes(OWNER_LABEL, str(uid)))
    found = engine.volumes(CACHE_LABEL, str(project.resolve()) if project else None)
    removed, busy = 0, list[str]()
    for name, of_project in found:
        if name not in mine:
            continue
        try:
            engine.remove_volume(name)
            removed += 1
        except EngineError as error:
            busy.append(f"{name} of {of_project}: {error.reason}")
    if busy:
        raise EngineError(
            f"{len(busy)} cache{'s' * (len(busy) != 1)} couldn't be removed ({removed} could)",
            "\n".join([*busy, "Wait for the runs that use them to end, then try again."]),
        )
    return removed


def _note(data: Path, engine: Engine, volume: Volume) -> Path:
    """The file that is there once the volume of this engine is its user's."""
    return data / "caches" / f"{hashlib.sha256(engine.address.encode()).hexdigest()[:12]}-{volume.name}"


def folders_above(targets: Sequence[str], user: tuple[int, int]) -> tuple[Tmpfs, ...]:
    """The folders between the home and the caches in it, which engines would make as root's."""
    uid, gid = user
    between = {
        str(folder)
        for target in targets
        for folder in Path(target).parents
        if f"{folder}".startswith(f"{HOME}/")
    }
    in_memory = [
        folder
        for folder in sorted(between)
        if not any(f"{folder}/".startswith(f"{target}/") for target in targets)
    ]
    return tuple(Tmpfs(folder, f"mode=0755,exec,uid={uid},gid={gid}") for folder in in_memory)
