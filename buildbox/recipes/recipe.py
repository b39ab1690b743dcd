"""A Debian recipe: what a toolchain image is made of, as a person writes it (`recipe.toml`)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.config.near import did_you_mean
from buildbox.digest import Digest
from buildbox.errors import ConfigError
from buildbox.oci import canonical
from buildbox.reference import ImageRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1  # of recipe.toml
RECIPE = "recipe.toml"
_TOP = ("format", "title", "description", "debian", "image")
_DEBIAN = ("suite", "components", "packages", "exclude")
_IMAGE = ("env", "labels")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian policy, section 5.6.1
_WORD = re.compile(r"[a-z0-9][a-z0-9.-]*")  # a suite or a component
_EXCLUDE = re.compile(r"/[A-Za-z0-9/_.*?+@~-]+")  # a pattern of dpkg(1), option --path-exclude
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Recipe:
    """What to install from where, and what the image says of itself."""

    name: str  # "python", the catalogue's folder
    version: str  # "3.11", the folder in it
    title: str
    description: str
    suite: str
    components: tuple[str, ...]
    packages: tuple[str, ...]
    exclude: tuple[str, ...]  # patterns of paths to leave out
    env: tuple[tuple[str, str], ...]  # sorted by name
    labels: tuple[tuple[str, str], ...]  # sorted by name

    @property
    def text(self) -> str:
        """Its name in the catalogue."""
        return f"{self.name}/{self.version}"

    @property
    def image(self) -> ImageRef:
        """What its image is called, without a digest."""
        return ImageRef.parse(f"buildbox/{self.name}:{self.version}")

    @property
    def checksum(self) -> Digest:
        """Over all that shapes the image; layout, comments and order of the file don't count.

        A key that is left out isn't in it, so that keys of later formats don't make old locks stale.
        """
        value = {
            "title": self.title,
            "description": self.description,
            "suite": self.suite,
            "components": sorted(self.components),
            "packages": sorted(self.packages),
            "exclude": list(self.exclude),
            "env": dict(self.env),
            "labels": dict(self.labels),
        }
        return Digest.of(canonical({key: item for key, item in value.items() if item}))


def read_recipe(folder: Path) -> Recipe:
    """The recipe in `folder`, which is NAME/VERSION of a catalogue. Raises ConfigError."""
    path = folder / RECIPE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {path} can't be read: {error}") from None
    return parse_recipe(text, folder.parent.name, folder.name, str(path))


def parse_recipe(text: str, name: str, version: str, path: str = RECIPE) -> Recipe:
    """The recipe that `text` spells. Raises ConfigError with all its problems."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", "Mend the TOML.") from None
    if value.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: format {value.get('format')!r} of a recipe is not known here",
            f"This buildbox reads format = {FORMAT}; use a newer buildbox for a newer format.",
        )
    problems: list[str] = []
    debian = _table(value, "debian", _DEBIAN, problems)
    image = _table(value, "image", _IMAGE, problems)
    _known(value, "", _TOP, problems)
    recipe = Recipe(
        name,
        version,
        _text(value, "title", problems),
        _text(value, "description", problems),
        _text(debian, "suite", problems, _WORD),
        _texts(debian, "components", problems, _WORD) or ("main",),
        _texts(debian, "packages", problems, _PACKAGE),
        _texts(debian, "exclude", problems, _EXCLUDE),
        _pairs(image, "env", problems),
        _pairs(image, "labels", problems),
    )
    if not recipe.packages:
        problems.append("debian.packages: lists no package")
    try:
        recipe.image  # noqa: B018
    except ValueError as error:
        problems.append(f"the folder's name {name}/{version} makes no image name: {error}")
    if problems:
        raise ConfigError(f"{path} is not a good recipe", problems=[f"{path}: {each}" for each in problems])
    return recipe


def _table(value: Mapping[str, Any], key: str, known: tuple[str, ...], problems: list[str]) -> dict[str, Any]:
    table = value.get(key, {})
    if not isinstance(table, dict):
        problems.append(f"{key}: is a table")
        return {}
    _known(table, f"{key}.", known, problems)
    return table


def _known(value: Mapping[str, Any], prefix: str, known: tuple[str, ...], problems: list[str]) -> None:
    for key in value:
        if key not in known:
            problems.append(f"{prefix}{key}: unknown key{did_you_mean(key, known)}")


def _text(
    value: Mapping[str, Any], key: str, problems: list[str], shape: re.Pattern[str] | None = None
) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text or (shape and not shape.fullmatch(text)):
        problems.append(f"{key}: {text!r} won't do" if key in value else f"{key}: is missing")
        return ""
    return text


def _texts(
    value: Mapping[str, Any], key: str, problems: list[str], shape: re.Pattern[str]
) -> tuple[str, ...]:
    items = value.get(key, [])
    if not isinstance(items, list):
        problems.append(f"{key}: is a list")
        return ()
    bad = [item for item in items if not isinstance(item, str) or not shape.fullmatch(item)]
    problems.extend(f"{key}: {item!r} won't do" for item in bad)
    return () if bad else tuple(items)


def _pairs(value: Mapping[str, Any], key: str, problems: list[str]) -> tuple[tuple[str, str], ...]:
    items = value.get(key, {})
    if not isinstance(items, dict) or not all(isinstance(item, str) for item in items.values()):
        problems.append(f"{key}: is a table of strings")
        return ()
    if key == "env":
        problems.extend(
            f"{key}: {name!r} is no variable's name" for name in items if not _NAME.fullmatch(name)
        )
    return tuple(sorted(items.items()))
