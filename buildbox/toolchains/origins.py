"""Where something that the archive keeps by a name could be had again: registries, and recipes."""

from __future__ import annotations

from dataclasses import dataclass

from buildbox.archive.hints import is_result_name
from buildbox.archive.marks import is_statement_name
from buildbox.archive.names import RECOVERED
from buildbox.archive.places import Place, places_of, results_place
from buildbox.config.user import ArchiveSettings
from buildbox.images import RecipeFor
from buildbox.reference import DEFAULT_REGISTRY, ImageRef

_OURS = "buildbox/"  # repositories that images are kept under which were built here
_PACKAGES = "-packages"  # the end of the tag of a recipe's list of packages


@dataclass(frozen=True)
class Origin:
    """Where to turn to."""

    places: tuple[Place, ...] = ()  # best first
    command: str = ""  # what a person can type to have it made here again
    surely: bool = False  # the same again, whatever its recipe has become since


def find_origin(name: str, recipe_for: RecipeFor, settings: ArchiveSettings) -> Origin:
    """Where the image, package list or statement that is kept as `name` can be had: nowhere, for another
    tool's name and for results, which are made anew when they are wanted.

    `settings` name the remote archive and the mirrors.
    """
    if is_result_name(name):
        return Origin()
    if is_statement_name(name):
        return Origin((results_place(settings.remote),) if settings.remote else ())
    try:
        ref = ImageRef.parse(name)
    except ValueError:
        return Origin()
    if ref.digest is None:
        return Origin()
    recipe = ref.repository.removeprefix(_OURS) + "/" + (ref.tag or "").removesuffix(_PACKAGES)
    built_here = ref.registry == DEFAULT_REGISTRY and ref.repository.startswith(_OURS)
    if built_here and (ref.tag or "").endswith(_PACKAGES):
        return Origin((), f"buildbox images build {recipe}")
    recorded = recipe_for(ref)
    known = recorded or (recipe if built_here and ref.tag else None)
    command = f"buildbox images build {known}" if known else ""
    if name.startswith(f"{RECOVERED}@"):
        return Origin((), command, recorded is not None)
    places = places_of(ref, settings)
    if built_here:  # that registry has other people's of this name, if any
        places = tuple(place for place in places if place.host != ref.registry)
    return Origin(places, command, recorded is not None)
