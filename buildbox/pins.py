"""`buildbox pin`: from tags to digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildbox.archive.layout import Archive
from buildbox.config.model import Config
from buildbox.images import RegistryFor


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
    config: Config, names: Sequence[str], registry_for: RegistryFor, archive: Archive
) -> tuple[PinChange, ...]:
    """A digest for each toolchain of `names` (all, where empty) that has none yet.

    Raises UsageError for a name that the config lacks, ImageError where a tag can't be resolved.
    """
    raise NotImplementedError


def check_pins(config: Config) -> None:
    """Raises ImageError naming every toolchain whose image isn't pinned, with its line. Asks no network."""
    raise NotImplementedError
