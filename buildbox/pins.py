"""`buildbox pin`: from tags to digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildbox.archive.images import find_tag
from buildbox.archive.layout import Archive
from buildbox.config.model import Config, Toolchain
from buildbox.config.near import suggestion
from buildbox.digest import Digest
from buildbox.errors import ImageError, UsageError
from buildbox.images import RegistryFor
from buildbox.reference import DEFAULT_REGISTRY, ImageRef

CATALOGUE = "buildbox/"  # repositories whose images come from buildbox's own recipes


@dataclass(frozen=True)
class PinChange:
    """What `pin` found for one toolchain."""

    toolchain: str
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
    """A digest for each toolchain of `names` (all, where empty) that has none yet.

    Images of the catalogue are looked up in `archive` (None: there is none yet), where building put them; all
    others at their registry.
    Raises UsageError for a name that the config lacks, ImageError where a tag can't be resolved.
    """
    return tuple(_resolve(toolchain, registry_for, archive) for toolchain in choose(config, names))


def choose(config: Config, names: Sequence[str]) -> tuple[Toolchain, ...]:
    """The toolchains of `names`, each once; all, where empty. Raises UsageError for one that isn't there."""
    chosen = [_toolchain(config, name) for name in names] or list(config.toolchains.values())
    return tuple({toolchain.name: toolchain for toolchain in chosen}.values())


def is_built(ref: ImageRef) -> bool:
    """Whether the image is one that is built from a recipe: whoever has that name in a registry isn't us."""
    return ref.registry == DEFAULT_REGISTRY and ref.repository.startswith(CATALOGUE)


def check_pins(config: Config) -> None:
    """Raises ImageError naming every toolchain whose image isn't pinned, with its line. Asks no network."""
    unpinned = [toolchain for toolchain in config.toolchains.values() if toolchain.image.digest is None]
    if not unpinned:
        return
    from buildbox.config.places import find_places, line_of

    text = config.path.read_text(encoding="utf-8")
    places = find_places(text)
    lines = [
        f"{config.path.name}:{line_of(text, places, ('toolchains', toolchain.name, 'image'))}: "
        f"toolchains.{toolchain.name}.image: {toolchain.image} has no digest"
        for toolchain in unpinned
    ]
    raise ImageError(
        "an image is not pinned" if len(lines) == 1 else f"{len(lines)} images are not pinned",
        "\n".join([*lines, "Pin what their tags mean now: buildbox pin"]),
    )


def _toolchain(config: Config, name: str) -> Toolchain:
    if name in config.toolchains:
        return config.toolchains[name]
    raise UsageError(
        f"there is no toolchain {name!r} in {config.path.name}",
        suggestion(name, config.toolchains, "toolchain"),
    )


def _resolve(toolchain: Toolchain, registry_for: RegistryFor, archive: Archive | None) -> PinChange:
    ref = toolchain.image
    if ref.digest is not None:
        return PinChange(toolchain.name, ref.text, ref.text, "")
    tagged = ref if ref.tag else ImageRef.parse(f"{ref.text}:latest")
    if is_built(ref):
        digest, source = _built(tagged, archive), "archive"
    else:
        digest, source = _ask(tagged, registry_for), tagged.registry
    return PinChange(toolchain.name, ref.text, tagged.pinned(digest).text, source)


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
