"""Whether a pin's own registry still has it: the index or manifest, what the index lists, and a tag that
keeps it from being collected."""

from __future__ import annotations

from dataclasses import dataclass

from buildbox.archive.images import choose, image_entries, read_manifest
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.places import Place
from buildbox.archive.remote import held, index_tag, retention_tag
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import MAX_MANIFEST, Descriptor, Index, Platform
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry

THERE, LOOSE, GONE, UNKNOWN = "there", "loose", "gone", "unknown"


@dataclass(frozen=True)
class Presence:
    """What a registry answers for a pin."""

    state: str  # THERE; LOOSE: no tag that we know of holds it; GONE, as a whole or in part; UNKNOWN
    why: str = ""  # in words, where it isn't THERE
    tag: str = ""  # that holds it
    gone: tuple[str, ...] = ()  # digests that the registry doesn't have
    lost: tuple[str, ...] = ()  # platforms of the index that the registry doesn't have and that aren't needed
    advice: str = ""  # lines, where it is UNKNOWN

    @property
    def ok(self) -> bool:
        """Whether it can be had there today."""
        return self.state in (THERE, LOOSE)


def look(archive: Archive, registry: Registry, ref: ImageRef, platform: Platform | None) -> Presence:
    """Asks the registry of the pinned `ref`, by HEAD where it can.

    Of an index only the image for `platform` needs to be there; None: all of its images. Raises nothing: a
    registry that can't be asked is UNKNOWN.
    """
    assert ref.digest is not None
    try:
        if not registry.has(ref.repository, ref.digest):
            why = f"{registry.host} doesn't have it any more"
            return Presence(GONE, why, gone=(str(ref.digest),))
        needed, others = _entries(archive, registry, ref, ref.digest, platform)
        gone = [entry for entry in needed if not registry.has(ref.repository, entry.digest)]
        lost = tuple(_name(entry) for entry in others if not registry.has(ref.repository, entry.digest))
        if gone:
            why = f"{registry.host} doesn't have its image for {', '.join(map(_name, gone))} any more"
            return Presence(GONE, why, gone=tuple(str(entry.digest) for entry in gone), lost=lost)
        tag = _holding_tag(registry, ref, ref.digest)
    except ImageError as error:
        return Presence(UNKNOWN, error.reason, advice=error.hint)
    if tag:
        return Presence(THERE, tag=tag, lost=lost)
    means = f"the tag {ref.tag} means another image now" if ref.tag else "the pin names none"
    why = f"no tag is known to hold it ({means}): {registry.host} may remove it any day"
    return Presence(LOOSE, why, lost=lost)


def remote_has(registry: Registry, place: Place, pin: Digest) -> bool:
    """Whether the remote archive has `pin` at `place`, if only as an index's bytes. Raises ImageError."""
    return registry.has(place.repository, pin) or registry.has(place.repository, index_tag(pin))


def kept_platforms(archive: Archive, pin: Digest) -> tuple[str, ...] | None:
    """What the archive has of `pin`: platforms of an index, nothing of a single image; None: it has none."""
    try:
        found = held(archive, pin)
    except (ImageError, BlobDamaged):
        return None
    return (
        tuple(_name(child) for child in found.children if child in _images(found.document)) if found else None
    )


def _entries(
    archive: Archive, registry: Registry, ref: ImageRef, pin: Digest, platform: Platform | None
) -> tuple[tuple[Descriptor, ...], tuple[Descriptor, ...]]:
    """What the index lists: the images that are needed, and the others."""
    try:
        data = archive.read(pin, MAX_MANIFEST)
    except (BlobMissing, BlobDamaged):
        data = registry.manifest(ref.repository, pin).data
    document = read_manifest(data, pin)
    images = _images(document)
    if platform is None or not isinstance(document, Index):
        return images, ()
    chosen = choose(document, platform, pin)
    return (chosen,), tuple(entry for entry in images if entry != chosen)


def _images(document: object) -> tuple[Descriptor, ...]:
    return image_entries(document) if isinstance(document, Index) else ()


def _holding_tag(registry: Registry, ref: ImageRef, pin: Digest) -> str:
    """A tag that means `pin`: the pin's own, the one that publishing gives it, the one of an archive's."""
    own = [ref.tag, f"{ref.tag}-{pin.short}"] if ref.tag else []
    for tag in [*own, retention_tag(pin)]:
        if registry.has(ref.repository, tag) and registry.resolve(ref.repository, tag) == pin:
            return tag
    return ""


def _name(entry: Descriptor) -> str:
    return str(entry.platform or entry.digest)
