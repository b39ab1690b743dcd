"""`buildbox init`: from what a project's folder has in it to a starter `.buildbox.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildbox.starter.compiled import go, rust
from buildbox.starter.folder import Folder
from buildbox.starter.java import java
from buildbox.starter.make import cmake, make
from buildbox.starter.node import node
from buildbox.starter.parts import Part
from buildbox.starter.python import python
from buildbox.starter.text import EXAMPLE, starter_text, task_names


@dataclass(frozen=True)
class Starter:
    """A proposal for a project."""

    text: str  # of the `.buildbox.toml`
    parts: tuple[Part, ...]  # what was recognised
    pins: Mapping[str, str]  # the pinned image of a recipe (`python/3.11`), where there is one

    def tasks(self, part: Part) -> tuple[str, ...]:
        """Names of the part's tasks in the file."""
        return task_names(part, len(self.parts) > 1)

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What its user does now, a line each."""
        parts = self.parts or (EXAMPLE,)
        recipes = [part.recipe for part in parts if part.recipe in self.pins]
        missing = [part for part in parts if part.recipe not in self.pins]
        downloads = [name for part in parts for name in self.tasks(part) if name.partition("-")[0] == "deps"]
        return (
            *(f"next: buildbox images build {recipe}" for recipe in recipes),
            *(
                f"next: put an image that has {part.tools} into toolchains.{part.toolchain}; buildbox pin"
                for part in missing
            ),
            *([f"next: buildbox run {' '.join(downloads)}"] if downloads else []),
            "then: buildbox run",
        )


def start(folder: Folder, pins: Mapping[str, str]) -> Starter:
    """The starter for `folder`; an example where nothing in it is known."""
    parts = recognise(folder)
    return Starter(starter_text(parts, pins), parts, pins)


def recognise(folder: Folder) -> tuple[Part, ...]:
    """What the project is built with, a toolchain each."""
    found = (kind(folder) for kind in (python, node, go, rust, cmake, java))
    parts = [part for part in found if part]
    made = make(folder, alone=not parts)
    if made and made.toolchain not in [part.toolchain for part in parts]:
        parts.append(made)
    return tuple(parts)
