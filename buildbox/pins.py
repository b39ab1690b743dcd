"""`buildbox pin`: from tags to digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildbox.archive.images import find_tag
from buildbox.archive.layout import Archive
from buildbox.config.model import Config, Pinned
from buildbox.config.near import suggestion
from buildbox.digest import Digest
from buildbox.errors import ImageError, UsageError
from buildbox.images import RegistryFor
from buildbox.reference import DEFAULT_REGISTRY, ImageRef

CATALOGUE = "buildbox/"  # repositories whose images come from buildbox's own recipes


@dataclass(frozen=True)
class PinChange:
    """What `pin` found for one toolchain or service."""

    toolchain: str  # its title: a service is services.NAME
    old: str  # as the file has it
    new: str  # name:tag@sha256:…; the same as `old` where it was pinned already
    source: str  # where the digest is from: "archive", a registry's host, or "" where it was pinned already

    @property
    def changed(self) -> bool:
        """Whether the file needs a new text."""
        return self.old != self.new


def resolve_pins(
    config: Config, names: Sequence[str], registry_for: RegistryFor, archive: Archive | None
) -> tuple[PinChange, ...]:
    """A digest for each toolchain and service of `names` (all, where empty) that has none yet.

    Images of the catalogue are looked up in `archive` (None: there is none yet), where building put them; all
    others at their registry.
    Raises UsageError for a name that the config lacks, ImageError where a tag can't be resolved.
    """
    return tuple(_resolve(pinned, registry_for, archive) for pinned in choose(config, names))


def choose(config: Config, names: Sequence[str]) -> tuple[Pinned, ...]:
    """The toolchains and services of `names`, each once; all, where empty.

    A service is named as in the file, or `services.NAME`. Raises UsageError for a name that isn't there.
    """
    chosen = [pinned for name in names for pinned in _named(config, name)] if names else config.images()
    return tuple({pinned.key: pinned for pinned in chosen}.values())


def is_built(ref: ImageRef) -> bool:
    """Whether the image is one that is built from a recipe: whoever has that name in a registry isn't us."""
    return ref.registry == DEFAULT_REGISTRY and ref.repository.startswith(CATALOGUE)


def check_pins(config: Config) -> None:
    """Raises ImageError naming everything whose image isn't pinned, with its line. Asks no network."""
    unpinned = [pinned for pinned in config.images() if pinned.image.digest is None]
    if not unpinned:
        return
    from buildbox.config.places import find_places, line_of

    text = config.path.read_text(encoding="utf-8")
    places = find_places(text)
    lines = [
        f"{config.path.name}:{line_of(text, places, (*pinned.key, 'image'))}: "
        f"{'.'.join(pinned.key)}.image: {pinned.image} has no digest"
        for pinned in unpinned
    ]
    raise ImageError(
        "an image is not pinned" if len(lines) == 1 else f"{len(lines)} images are not pinned",
        "\n".join([*lines, "Pin what their tags mean now: buildbox pin"]),
    )


def _named(config: Config, name: str) -> list[Pinned]:
    found = [pinned for pinned in config.images() if name in (pinned.name, pinned.title)]
    if found:
        return found
    raise UsageError(
        f"there is no toolchain {name!r} in {config.path.name}" + ", nor a service" * bool(config.services),
        suggestion(name, [pinned.name for pinned in config.images()], "toolchain"),
    )


def _resolve(pinned: Pinned, registry_for: RegistryFor, archive: Archive | None) -> PinChange:
    ref = pinned.image
    if ref.digest is not None:
        return PinChange(pinned.title, ref.text, ref.text, "")
    tagged = ref if ref.tag else ImageRef.parse(f"{ref.text}:latest")
    if is_built(ref):
        digest, source = _built(tagged, archive), "archive"
    else:
        digest, source = _ask(tagged, registry_for), tagged.registry
    return PinChange(pinned.title, ref.text, tagged.pinned(digest).text, source)


def _built(ref: ImageRef, archive: Archive | None) -> Digest:
    digest = find_tag(archive, ref) if archive else None
    if digest is None:  # and never from a registry: whoever has that name there isn't us
        raise ImageError(
            f"the image {ref} is not in the archive yet",
            f"Images named {CATALOGUE}… are built from recipes, never fetched by tag:\n"
            f"buildbox images build {ref.repository.removeprefix(CATALOGUE)}/{ref.tag}",
        )
    return digest


def _ask(ref: ImageRef, registry_for: RegistryFor) -> Digest:
    assert ref.tag is not None
    registry = registry_for(ref.registry)
    try:
        return registry.resolve(ref.repository, ref.tag)
    finally:
        registry.close()
