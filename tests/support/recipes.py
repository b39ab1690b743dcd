"""Recipes and locks for tests."""

from __future__ import annotations

from pathlib import Path

from buildbox.digest import Digest
from buildbox.recipes.lock import BUILDER, Lock, Package, Wheel
from buildbox.recipes.recipe import Recipe, parse_recipe

RECIPE = """\
format = 1
title = "Tool 1"
description = "A tool"

[debian]
suite = "bookworm"
packages = ["make", "tzdata"]
exclude = ["/usr/share/gitweb/*"]

[image]
env = { LANG = "C.UTF-8" }
"""


def recipe(text: str = RECIPE, name: str = "tool", version: str = "1", catalogue: Path = Path()) -> Recipe:
    """The recipe that `text` spells."""
    return parse_recipe(text, catalogue / name / version)


def package(name: str, version: str = "1.0-1", architecture: str = "amd64", data: bytes = b"") -> Package:
    """A package whose .deb would have the bytes `data`."""
    path = f"pool/main/{name[0]}/{name}/{name}_{version.partition(':')[2] or version}_{architecture}.deb"
    return Package(name, architecture, version, len(data), Digest.of(data).hex, path)


def lock(*packages: Package, of: Recipe | None = None, wheels: tuple[Wheel, ...] = ()) -> Lock:
    """A lock of `packages`."""
    made_from = of or recipe()
    return Lock(
        BUILDER,
        made_from.checksum,
        made_from.suite,
        "12.15",
        1_783_764_997,
        "amd64",
        (("mmdebstrap", "1.3.5-7"),),
        tuple(sorted(packages)),
        wheels,
    )


def write_recipe(catalogue: Path, name: str = "tool/1", text: str = RECIPE) -> Path:
    """The folder of a new recipe in `catalogue`."""
    folder = catalogue / name
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(text)
    return folder
