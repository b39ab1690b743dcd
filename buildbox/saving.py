"""`archive save` and `archive restore`: the images that a project pins, into the archive and out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

from buildbox import images
from buildbox.archive.fetch import Top, fetch_entry, fetch_top
from buildbox.archive.images import (
    MAX_CONFIG,
    ImageConfig,
    Unfit,
    attested,
    check_platform,
    choose,
    full_name,
    image_entries,
    is_attestation,
    read_config,
    read_manifest,
)
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.places import Place
from buildbox.archive.push import contents
from buildbox.config.model import Pinned
from buildbox.digest import Digest
from buildbox.engine.protocol import Engine
from buildbox.errors import ImageError
from buildbox.images import Nowhere, PlacesFor, RecipeFor, RegistryFor, ask_places, require_pin
from buildbox.oci import MAX_MANIFEST, Descriptor, Index, Platform
from buildbox.progress import Progress
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Where images may come from."""

    offline: bool  # from the archive alone
    places_for: PlacesFor
    registry_for: RegistryFor  # for `save` the same one each time, closed by whoever opened it
    recipe_for: RecipeFor


@dataclass(frozen=True)
class Left:
    """What an index lists and the archive doesn't have."""

    what: str  # a platform, or "the attestation of PLATFORM"
    why: str


@dataclass(frozen=True)
class Saved:
    """What the archive has of a toolchain's pin now."""

    toolchain: str
    pin: ImageRef
    platforms: tuple[str, ...]  # that were asked for, and are kept
    left: tuple[Left, ...]  # where all platforms were asked for: those that can't be kept
    size: int  # bytes of the blobs of all that was asked for
    fetched: int  # bytes of these that came just now


@dataclass(frozen=True)
class Restored:
    """A toolchain's image that the engine has now."""

    toolchain: str
    pin: ImageRef
    platform: Platform
    id: str  # by which the engine knows it
    before: bool  # whether it had it already


def platforms_of(
    toolchain: Pinned, given: Sequence[Platform], everything: bool, own: Callable[[], Platform]
) -> tuple[Platform, ...] | None:
    """The platforms for which a toolchain's image is to be kept; None: for all that there are.

    One that says itself for which platform it is always runs as that, so it is needed for no other. `own`
    gives the engine's.
    """
    if everything:
        return None
    if toolchain.platform:
        return (toolchain.platform,)
    return tuple(dict.fromkeys(given)) or (own(),)


def save(
    archive: Archive,
    toolchain: Pinned,
    platforms: Sequence[Platform] | None,
    sources: Sources,
    progress: Progress,
) -> Saved:
    """Brings the toolchain's image for `platforms` (None: for all that there are) into the archive.

    What is there already isn't asked for anywhere. Raises ImageError, with each place's answer where none has
    it; ArchiveError.
    """
    ref, pin, everything = toolchain.image, require_pin(toolchain.image), platforms is None
    top = _kept_top(archive, pin)
    lost = top is None
    top = top or _ask(
        ref, lambda registry, place: fetch_top(archive, registry, place, pin, check=True), sources, progress
    )
    left = list(_others(top)) if everything else []
    kept: dict[str, Descriptor] = {}
    blobs: dict[Digest, int] = {}
    fetched = 0
    for entry, platform in _wanted(top, platforms):
        try:
            fetched += _save_entry(archive, ref, top, entry, platform, sources, progress)
        except ImageError as error:
            why = _why_dispensable(error)
            if not everything or not why:
                raise
            left.append(Left(_name(entry, top), why))
            continue
        blobs |= {blob.digest: blob.size for blob in contents(archive, entry)[1]}
        if not is_attestation(entry):
            kept[str(entry.platform or _config(archive, entry).platform)] = entry
    if not kept:
        why = "\n".join(f"{each.what}: {each.why}" for each in left)
        raise ImageError(f"nothing of the image {ref} can be kept", why)
    if lost:
        archive.add_bytes(top.data)  # it may be all that was
    name = full_name(ref, pin)
    if name not in {known for known, _ in archive.refs()}:  # else it stays as old as it is
        archive.keep(top.descriptor, name)
    return Saved(toolchain.title, ref, tuple(kept), tuple(left), sum(blobs.values()), fetched)


def restore(
    archive: Archive,
    engine: Engine,
    toolchain: Pinned,
    platform: Platform,
    sources: Sources,
    progress: Progress,
) -> Restored:
    """Has the engine have the toolchain's image for `platform`, loaded and fetched as far as need be.

    Raises as images.obtain does.
    """
    ref = toolchain.image
    image = images.find(archive, ref, platform)
    before = image is not None and any(map(engine.has_image, image.ids))
    _, image_id = images.obtain(
        archive,
        engine,
        ref,
        platform,
        offline=sources.offline,
        registry_for=sources.registry_for,
        recipe_for=sources.recipe_for,
        progress=progress,
        places_for=sources.places_for,
    )
    return Restored(toolchain.title, ref, platform, image_id, before)


def _save_entry(
    archive: Archive,
    ref: ImageRef,
    top: Top,
    entry: Descriptor,
    platform: Platform | None,
    sources: Sources,
    progress: Progress,
) -> int:
    """Brings one entry of `top`; gives the bytes that weren't there."""
    damaged = False
    try:
        _check(archive, entry, platform)
        return 0
    except BlobMissing:
        pass
    except BlobDamaged as error:
        progress.note(f"{error.reason}; fetching it again")
        damaged = True

    def take(registry: Registry, place: Place) -> int:
        return fetch_entry(
            archive, registry, place, ref, top, entry, progress, platform=platform, check=damaged
        )

    return _ask(ref, take, sources, progress)


def _check(archive: Archive, entry: Descriptor, platform: Platform | None) -> None:
    """Raises BlobMissing or BlobDamaged where not all of `entry` is here, Unfit where it is for another."""
    contents(archive, entry)
    if not is_attestation(entry):
        found = _config(archive, entry).platform
        if platform:
            check_platform(found, platform, entry.digest)


def _config(archive: Archive, entry: Descriptor) -> ImageConfig:
    manifest = read_manifest(archive.read(entry, MAX_MANIFEST), entry.digest, entry.media_type)
    if isinstance(manifest, Index):
        raise Unfit(f"{entry.digest} is an index in an index, which no engine can run")
    return read_config(archive.read(manifest.config, MAX_CONFIG), manifest.config.digest)


def _kept_top(archive: Archive, pin: Digest) -> Top | None:
    """What `pin` names, from the archive; None where that lost it, or has it damaged."""
    try:
        data = archive.read(pin, MAX_MANIFEST)
    except (BlobMissing, BlobDamaged):
        return None
    document = read_manifest(data, pin)
    return Top(Descriptor(document.media_type, pin, len(data)), data, document)


def _ask(ref: ImageRef, take: Callable[[Registry, Place], T], sources: Sources, progress: Progress) -> T:
    return ask_places(
        ref,
        take,
        offline=sources.offline,
        places_for=sources.places_for,
        open_registry=lambda host: nullcontext(sources.registry_for(host)),
        recipe_for=sources.recipe_for,
        progress=progress,
        answers=[("archive", "doesn't have all of it")],
    )


def _wanted(top: Top, platforms: Sequence[Platform] | None) -> Iterator[tuple[Descriptor, Platform | None]]:
    """The entries of `top` to keep, images first, with the platform that each is to be for."""
    if not isinstance(top.document, Index):
        yield from ((top.descriptor, platform) for platform in platforms or (None,))
    elif platforms is not None:
        for platform in platforms:
            yield choose(top.document, platform, top.descriptor.digest), platform
    else:
        yield from ((entry, None) for entry in image_entries(top.document))
        yield from ((entry, None) for entry in top.document.manifests if is_attestation(entry))


def _others(top: Top) -> Iterator[Left]:
    """What an index lists that is neither an image nor notes on one."""
    if isinstance(top.document, Index):
        images = image_entries(top.document)
        for entry in top.document.manifests:
            if entry not in images and not is_attestation(entry):
                yield Left(_name(entry, top), f"it is no image ({entry.media_type})")


def _name(entry: Descriptor, top: Top) -> str:
    """What people call an entry of an index."""
    if is_attestation(entry) and isinstance(top.document, Index):
        about = attested(entry)
        subject = next((each for each in top.document.manifests if str(each.digest) == about), None)
        return f"the attestation of {_name(subject, top) if subject else about}"
    return str(entry.platform or entry.digest)


def _why_dispensable(error: ImageError) -> str:
    """Why one platform among all may be done without: no place has it, or it can't be kept. Else nothing."""
    if isinstance(error, Nowhere) and error.absent:
        return "; ".join(error.answers)
    return error.reason if isinstance(error, Unfit) else ""
