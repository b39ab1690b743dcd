"""Where something that the archive keeps by a name could be had again: registries, and recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildbox.archive.names import RECOVERED
from buildbox.archive.repair import Place
from buildbox.images import RecipeFor
from buildbox.reference import DEFAULT_REGISTRY, ImageRef

_OURS = "buildbox/"  # repositories that images are kept under which were built here
_PACKAGES = "-packages"  # the end of the tag of a recipe's list of packages


@dataclass(frozen=True)
class Origin:
    """Where to turn to."""

    places: tuple[Place, ...] = ()  # registries, best first
    command: str = ""  # what a person can type to have it made here again


def find_origin(name: str, recipe_for: RecipeFor, mirrors: Mapping[str, Sequence[str]]) -> Origin:
    """Where the image or package list that is kept as `name` can be had: nowhere, for another tool's name.

    `mirrors` are those of a registry, HOST[/PATH] each, by the registry's host.
    """
    try:
        ref = ImageRef.parse(name)
    except ValueError:
        return Origin()
    recipe = ref.repository.removeprefix(_OURS) + "/" + (ref.tag or "").removesuffix(_PACKAGES)
    built_here = ref.registry == DEFAULT_REGISTRY and ref.repository.startswith(_OURS)
    if built_here and (ref.tag or "").endswith(_PACKAGES):
        return Origin((), f"buildbox images build {recipe}")
    known = recipe_for(ref) or (recipe if built_here and ref.tag else None)
    command = f"buildbox images build {known}" if known else ""
    if name.startswith(f"{RECOVERED}@"):
        return Origin((), command)
    places = []
    for mirror in mirrors.get(ref.registry, ()):
        host, _, path = mirror.partition("/")
        places.append(Place(host, f"{path}/{ref.repository}" if path else ref.repository))
    if not built_here:
        places.append(Place(ref.registry, ref.repository))
    return Origin(tuple(places), command)
