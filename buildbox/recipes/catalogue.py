"""Recipes by name: NAME/VERSION folders of a catalogue, and the pins that they record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildbox.config.near import suggestion
from buildbox.errors import UsageError
from buildbox.recipes.recipe import RECIPE
from buildbox.recipes.record import recorded_pin
from buildbox.reference import ImageRef


def own_catalogue() -> Path:
    """The catalogue that came with buildbox: in an installed wheel, else in the checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "images"
    return installed if installed.is_dir() else package.parent / "images"


def recipe_names(folders: Sequence[Path]) -> list[str]:
    """All recipes in the catalogues `folders`, sorted."""
    found = {"/".join(path.parts[-3:-1]) for folder in folders for path in folder.glob(f"*/*/{RECIPE}")}
    return sorted(found)


def find_recipe(name: str, folders: Sequence[Path]) -> Path:
    """The folder of recipe `name` ("python/3.11"); the first catalogue that has it counts.

    Raises UsageError naming what comes near.
    """
    names = recipe_names(folders)
    if name in names:
        return next(folder / name for folder in folders if (folder / name / RECIPE).is_file())
    raise UsageError(f"there is no recipe {name!r}", suggestion(name, names, "recipe"))


def recipe_of(pin: ImageRef, folders: Sequence[Path]) -> str | None:
    """The recipe whose recorded pin has the digest of `pin`: it can rebuild an image that is nowhere else."""
    for name in recipe_names(folders):
        recorded = recorded_pin(find_recipe(name, folders))
        if recorded and pin.digest and recorded.digest == pin.digest:
            return name
    return None
