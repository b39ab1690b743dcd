"""Where what a rebuild takes comes from: a repository and the archive, or a capsule."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildbox.archive.layout import Archive
from buildbox.provenance.statement import Statement
from buildbox.trees.entry import Entry


@dataclass(frozen=True)
class Inputs:
    """The inputs of a build, in a folder: their tree has the digest that the statement says."""

    root: Path  # they are below it; other files may be, too
    entries: tuple[Entry, ...]  # sorted by path
    told: str  # where they are from, for people: "commit 1a2b3c4 of /home/me/hello"


class Supply(Protocol):
    """All that a rebuild takes but for the engine."""

    @property
    def archive(self) -> Archive:
        """What has the image and the needed results, or gets them."""

    @property
    def closed(self) -> bool:
        """Whether it has all that there is: then no registry is asked."""

    def inputs(self, statement: Statement) -> AbstractContextManager[Inputs]:
        """The inputs; what was made for them is gone afterwards. Raises CantTell, which says all that is
        missing."""
