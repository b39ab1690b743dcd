"""Where an image comes from (SPEC section 5), by digest everywhere: the engine, the archive, its remote and
mirrors, the pin's own registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, TypeVar

from buildbox.archive.images import ArchivedImage, Unfit, find_image
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import Platform
from buildbox.reference import ImageRef

if TYPE_CHECKING:
    from buildbox.archive.places import Place
    from buildbox.engine.protocol import Engine
    from buildbox.progress import Progress
    from buildbox.registry.client import Registry

RegistryFor = Callable[
    [str], "Registry"
]  # a registry's host[:port], as ImageRef.registry says it -> its client
PlacesFor = Callable[[ImageRef], "Sequence[Place]"]  # where an image can be had, best first
RecipeFor = Callable[
    [ImageRef], "str | None"
]  # the recipe (`python/3.11`) that can rebuild an image, if one does

T = TypeVar("T")


class Nowhere(ImageError):
    """No place gives an image. `absent`: all were asked and none has it, rather than being out of reach;
    `answers`: what these said."""

    def __init__(self, reason: str, hint: str, absent: bool, answers: Sequence[str]) -> None:
        super().__init__(reason, hint)
        self.absent, self.answers = absent, tuple(answers)


def own_place(ref: ImageRef) -> Sequence[Place]:
    """The registry that `ref` names, alone."""
    from buildbox.archive.places import own_place

    return own_place(ref)


def require_pin(ref: ImageRef) -> Digest:
    """The digest of a pinned reference. Raises ImageError for one that isn't."""
    if ref.digest is None:
        raise ImageError(
            f"the image {ref} is not pinned, and an unpinned image never runs",
            "Pin it to what its tag means now: buildbox pin",
        )
    return ref.digest


def find(archive: Archive, ref: ImageRef, platform: Platform) -> ArchivedImage | None:
    """What the archive knows of the image; None where it doesn't, or something is damaged: then `obtain`.

    The fast way: no engine, no network, three small files. Raises ImageError where the image is not pinned or
    not for `platform`.
    """
    try:
        return find_image(archive, require_pin(ref), platform)
    except BlobDamaged:
        return None


def obtain(
    archive: Archive,
    engine: Engine,
    ref: ImageRef,
    platform: Platform,
    *,
    offline: bool,
    registry_for: RegistryFor,
    recipe_for: RecipeFor,
    progress: Progress,
    places_for: PlacesFor = own_place,
) -> tuple[ArchivedImage, str]:
    """The image and the id by which the engine has it now, loaded and fetched as far as need be.

    Raises ImageError (not pinned; not for `platform`; no place has it, with each one's answer), ArchiveError,
    EngineError.
    """
    pin = require_pin(ref)
    answers: list[tuple[str, str]] = []  # each place and what it said
    damage: ArchiveError | None = None
    image: ArchivedImage | None = None
    try:
        image = find_image(archive, pin, platform)
        if image is None:
            answers.append(("engine", "can't be asked: the image's id follows from its manifest"))
            answers.append(("archive", f"doesn't have it ({archive.path})"))
        else:
            known = _known(engine, image)
            if known:
                return image, known
            answers.append(("engine", f"doesn't have it ({engine.address})"))
            return image, _load(archive, image, engine, progress)
    except (BlobDamaged, BlobMissing) as error:
        damage = error
        answers.append(("archive", error.reason))
    if offline and damage:
        raise damage
    if damage:
        progress.note(f"{damage.reason}; fetching it again")

    def take(registry: Registry, place: Place) -> ArchivedImage:
        from buildbox.archive.fetch import fetch

        return fetch(archive, registry, ref, platform, progress, check=damage is not None, place=place)

    image = ask_places(
        ref,
        take,
        offline=offline,
        places_for=places_for,
        open_registry=lambda host: closing(registry_for(host)),
        recipe_for=recipe_for,
        progress=progress,
        answers=answers,
    )
    return image, _known(engine, image) or _load(archive, image, engine, progress)


def ask_places(
    ref: ImageRef,
    take: Callable[[Registry, Place], T],
    *,
    offline: bool,
    places_for: PlacesFor,
    open_registry: Callable[[str], AbstractContextManager[Registry]],
    recipe_for: RecipeFor,
    progress: Progress,
    answers: Sequence[tuple[str, str]] = (),
) -> T:
    """What `take` brings from the first place that gives it. `answers` are those of the places before.

    Raises Nowhere with each place's answer; Unfit; ArchiveError.
    """
    from buildbox.registry.refusal import Absent

    found, hints, absent = list(answers), list[str](), not offline
    places = places_for(ref)
    for number, place in enumerate(places, 1):
        if offline:
            found.append((place.kind, f"{place.host} is not asked (--offline)"))
            continue
        try:
            with open_registry(place.host) as registry:
                return take(registry, place)
        except Unfit:
            raise  # of bytes that hash to the pin: they are the same everywhere
        except ImageError as error:
            found.append((place.kind, error.reason))
            hints += [error.hint] if error.hint and error.hint not in hints else []
            absent = absent and isinstance(error, Absent)
            if number < len(places):
                tell = progress.detail if isinstance(error, Absent) else progress.note
                tell(f"{error.reason}; asking {places[number].host}")
    lines = [*(f"{place}: {answer}" for place, answer in found), *hints]
    recipe = recipe_for(ref)
    if recipe:
        lines.append(f"It can be rebuilt from its recipe: buildbox images build {recipe}")
    said = [answer for _, answer in found[len(answers) :]]
    raise Nowhere(f"the image {ref} can't be had", "\n".join(lines), absent, said)


def _known(engine: Engine, image: ArchivedImage) -> str | None:
    """The id by which the engine has the image, if it has it."""
    return next((image_id for image_id in image.ids if engine.has_image(image_id)), None)


def _load(archive: Archive, image: ArchivedImage, engine: Engine, progress: Progress) -> str:
    from buildbox.archive.compression import check_layers
    from buildbox.archive.loader import load

    check_layers(archive, image, engine)
    return load(archive, image, engine, progress)
