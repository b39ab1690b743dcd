"""Where an image comes from: the engine, the archive, the pin's registry (SPEC section 5), each by digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import Platform
from buildbox.reference import ImageRef

if TYPE_CHECKING:
    from buildbox.engine.protocol import Engine
    from buildbox.progress import Progress
    from buildbox.registry.client import Registry

RegistryFor = Callable[
    [str], "Registry"
]  # a registry's host[:port], as ImageRef.registry says it -> its client
RecipeFor = Callable[
    [ImageRef], "str | None"
]  # the recipe (`python/3.11`) that can rebuild an image, if one does


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
    if offline:
        if damage:
            raise damage
        answers.append(("registry", f"{ref.registry} is not asked (--offline)"))
        raise _nowhere(ref, answers, recipe_for)
    if damage:
        progress.note(f"{damage.reason}; fetching it again from {ref.registry}")
    try:
        image = _fetch(archive, ref, platform, registry_for, progress, check=damage is not None)
    except ImageError as error:
        answers.append(("registry", error.reason))
        raise _nowhere(ref, answers, recipe_for, error.hint) from error
    return image, _known(engine, image) or _load(archive, image, engine, progress)


def _known(engine: Engine, image: ArchivedImage) -> str | None:
    """The id by which the engine has the image, if it has it."""
    return next((image_id for image_id in image.ids if engine.has_image(image_id)), None)


def _load(archive: Archive, image: ArchivedImage, engine: Engine, progress: Progress) -> str:
    from buildbox.archive.loader import load

    return load(archive, image, engine, progress)


def _fetch(
    archive: Archive,
    ref: ImageRef,
    platform: Platform,
    registry_for: RegistryFor,
    progress: Progress,
    check: bool,
) -> ArchivedImage:
    from buildbox.archive.fetch import fetch

    registry = registry_for(ref.registry)
    try:
        return fetch(archive, registry, ref, platform, progress, check=check)
    finally:
        registry.close()


def _nowhere(
    ref: ImageRef, answers: Sequence[tuple[str, str]], recipe_for: RecipeFor, hint: str = ""
) -> ImageError:
    """The error that lists each place and its answer, and the recipe if there is one."""
    lines = [f"{place}: {answer}" for place, answer in answers]
    if hint:
        lines.append(hint)
    recipe = recipe_for(ref)
    if recipe:
        lines.append(f"It can be rebuilt from its recipe: buildbox images build {recipe}")
    return ImageError(f"the image {ref} can't be had", "\n".join(lines))
