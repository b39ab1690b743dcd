"""Where an image comes from: the engine, the archive, the pin's registry (SPEC section 5), each taken by digest
only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive, BlobDamaged
from buildbox.digest import Digest
from buildbox.errors import ImageError
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
    raise NotImplementedError
