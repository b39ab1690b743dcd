"""What a task asks for of the working tree, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from buildbox.trees.patterns import Patterns
from buildbox.trees.walk import OWN


@dataclass(frozen=True)
class Choice:
    """What a task has: its patterns, and what is never an input."""

    inputs: Patterns | None
    without: Patterns

    def __call__(self, path: str) -> bool:
        """Whether a file is an input."""
        return (
            not path.startswith(f"{OWN}/")
            and (self.inputs is None or self.inputs.matches(path))
            and not self.without.matches(path)
        )

    def leads_below(self, folder: str) -> bool:
        """False only if nothing below `folder` is an input."""
        if self.inputs is not None and not self.inputs.may_match_below(folder):
            return False
        return any(glob.negated for glob in self.without.globs) or not self.without.matches(f"{folder}/")


@dataclass(frozen=True)
class Found:
    """A selection, as a memo has it."""

    digest: str
    count: int
    unmatched: tuple[str, ...]

    @classmethod
    def read(cls, value: object) -> Found | None:
        """What `write` made; None for anything else."""
        match value:
            case [str(digest), int(count), [*unmatched]]:
                return cls(digest, count, tuple(map(str, unmatched)))
            case _:
                return None

    def write(self) -> list[object]:
        """As JSON has it."""
        return [self.digest, self.count, list(self.unmatched)]
