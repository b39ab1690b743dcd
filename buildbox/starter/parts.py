"""What `init` proposes for one kind of tools: a toolchain and the tasks that use it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

OWN = ".buildbox"  # the folder in the project for what tasks download or build beside it
# It ignores itself, so that git doesn't show it.
PREPARE = f"mkdir -p {OWN} && echo '*' > {OWN}/.gitignore"


@dataclass(frozen=True)
class Job:
    """A task. Either `argv` or `run` is set."""

    name: str
    description: str
    argv: tuple[str, ...] = ()
    run: str = ""  # a script of one or more lines
    env: Mapping[str, str] = field(default_factory=dict)
    networked: bool = False
    comment: str = ""  # one line, without the `#`


@dataclass(frozen=True)
class Part:
    """One toolchain and its tasks."""

    toolchain: str  # as the catalogue names it: "python"
    version: str  # the one that the catalogue has or is to have: "3.11"
    found: str  # what it was recognised by: "pyproject.toml, tests"
    tools: str  # what its image must have: "node and npm"
    jobs: tuple[Job, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # for all of its tasks
    notes: tuple[str, ...] = ()  # what its user should know, a line each

    @property
    def recipe(self) -> str:
        """The toolchain's name in the catalogue."""
        return f"{self.toolchain}/{self.version}"

    @property
    def image(self) -> str:
        """What its image is called, without a digest."""
        return f"buildbox/{self.toolchain}:{self.version}"


def fitting(what: str, wanted: str | None, versions: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Which of the catalogue's `versions`, oldest first, is for a project that wants `1.22` or `>=3.12`.

    The oldest that is new enough; else the newest, with a note.
    """
    match = re.search(r"\d+(?:\.\d+)*", wanted or "")
    if not match:
        return versions[0], ()
    for version in versions:
        numbers = _numbers(version)
        if _numbers(match[0])[: len(numbers)] <= numbers:
            return version, ()
    have = versions[-1]
    return have, (f"{what} asks for {match[0]} or later; this is {have}. Pin an image that has it.",)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part[:9]) for part in version.split("."))
