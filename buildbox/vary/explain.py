"""What came of building in other surroundings, as values and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.trees.faults import shown
from buildbox.vary.variations import REMEDIES, TITLES, Unvaried, Variation


@dataclass(frozen=True)
class Attempt:
    """What one build came to."""

    outputs: Mapping[str, str]  # by path; the same where they are the same
    folder: Path | None = None  # where they are
    failure: str = ""  # in words; "" where it passed
    seconds: float = 0  # that it took


@dataclass(frozen=True)
class Cause:
    """What makes a build differ."""

    names: tuple[str, ...]  # of TITLES; several make a difference only together
    how: tuple[str, ...]  # what they were; nothing for chance and the like
    files: tuple[str, ...]  # that come out differently
    failure: str = ""  # where it doesn't come to that

    @property
    def line(self) -> str:
        """What it is, for people."""
        title = " together with ".join(TITLES[name] for name in self.names)
        how = f" ({', '.join(self.how)})" if self.how else ""
        return f"{title}{how}: {self.failure or differ(self.files)}"

    @property
    def remedies(self) -> tuple[str, ...]:
        """What usually helps, for people."""
        return tuple(REMEDIES[name] for name in self.names)

    def to_json(self) -> dict[str, Any]:
        """As `reproduce --json` gives it."""
        return {
            "names": list(self.names),
            "title": " and ".join(TITLES[name] for name in self.names),
            "how": list(self.how),
            "files": list(self.files),
            "failure": self.failure,
            "remedies": list(self.remedies),
        }


@dataclass(frozen=True)
class Varied:
    """What came of varying a build's surroundings."""

    causes: tuple[Cause, ...]  # none: it came out the same every time
    varied: tuple[Variation, ...]
    unvaried: tuple[Unvaried, ...]
    builds: int  # beside the first one

    def to_json(self) -> dict[str, Any]:
        """As `reproduce --json` gives it."""
        return {
            "causes": [cause.to_json() for cause in self.causes],
            "varied": [{"name": each.name, "title": each.title, "how": each.how} for each in self.varied],
            "unvaried": [each.to_json() for each in self.unvaried],
            "builds": self.builds,
        }


def differ(paths: Sequence[str]) -> str:
    """That these files differ, in words."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{', '.join(map(shown, paths[:3]))}{more} differ{'s' * (len(paths) == 1)}"
