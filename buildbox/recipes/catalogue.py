"""Recipes by name: NAME/VERSION folders of a catalogue, and the pins that they record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildbox.config.near import suggestion
from buildbox.errors import UsageError
from buildbox.recipes.dockerfile import DOCKERFILE
from buildbox.recipes.recipe import RECIPE
from buildbox.recipes.record import recorded_pin
from buildbox.reference import ImageRef

DEBIAN = "debian"  # the kind of recipe that has a recipe.toml and a lock
_PACKAGE = Path(__file__).resolve().parent.parent


def own_catalogue(package: Path = _PACKAGE) -> Path:
    """The catalogue that came with buildbox: in an installed wheel, else in the checkout."""
    installed = package / "images"
    return installed if installed.is_dir() else package.parent / "images"


def kind(folder: Path) -> str | None:
    """What the recipe in `folder` is: DEBIAN, or DOCKERFILE where it has only that; None for no recipe."""
    if (folder / RECIPE).is_file():
        return DEBIAN
    return DOCKERFILE if (folder / DOCKERFILE).is_file() else None


def recipe_names(folders: Sequence[Path]) -> list[str]:
    """All recipes of both kinds in the catalogues `folders`, sorted."""
    found = {
        "/".join(path.parts[-3:-1])
        for folder in folders
        for name in (RECIPE, DOCKERFILE)
        for path in folder.glob(f"*/*/{name}")
    }
    return sorted(found)


def find_recipe(name: str, folders: Sequence[Path]) -> Path:
    """The folder of recipe `name` ("python/3.11"); the first catalogue that has it counts.

    Raises UsageError naming what comes near.
    """
    names = recipe_names(folders)
    if name in names:
        return next(folder / name for folder in folders if kind(folder / name))
    raise UsageError(f"there is no recipe {name!r}", suggestion(name, names, "recipe"))


def recipe_of(pin: ImageRef, folders: Sequence[Path]) -> str | None:
    """The recipe whose recorded pin has the digest of `pin`: it can rebuild an image that is nowhere else."""
    for name in recipe_names(folders):
        folder = find_recipe(name, folders)
        recorded = recorded_pin(folder) if kind(folder) == DEBIAN else None  # no other gives the same again
        if recorded and pin.digest and recorded.digest == pin.digest:
            return name
    return None


def need_own(folder: Path, package: Path = _PACKAGE) -> None:
    """Raises UsageError where the recipe in `folder` is installed with buildbox, and so not to be changed."""
    if folder.resolve().is_relative_to(package):
        name = f"{folder.parent.name}/{folder.name}"
        raise UsageError(
            f"{name} is installed with buildbox, which changes nothing there",
            f"Copy it and change the copy: cp -r {folder} images/{name}",
        )


def need_debian(folder: Path, verb: str) -> None:
    """Raises UsageError where a recipe has no packages that `verb` could work on."""
    if kind(folder) == DOCKERFILE:
        raise UsageError(
            f"{folder.parent.name}/{folder.name} is a Dockerfile recipe: it has no lock to {verb}",
            "What it takes from is pinned in its FROM lines: name:tag@sha256:…",
        )
