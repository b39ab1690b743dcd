"""From a recipe to its lock, by the machine's own apt in a root of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timezone
from email.utils import parsedate_to_datetime

from buildbox.errors import ImageError
from buildbox.recipes.apt import Resolver, mirrors
from buildbox.recipes.deb822 import stanzas
from buildbox.recipes.lock import BUILDER, MERGED, Lock, Package, Wheel
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.target import target_of
from buildbox.recipes.tools import architecture, tool_versions
from buildbox.recipes.wheels import lock_wheels
from buildbox.recipes.workplace import Workplace, workplace
from buildbox.recipes.workshop import Workshop


def resolve(recipe: Recipe, shop: Workshop) -> Lock:
    """The exact packages that `recipe` means today on this machine's mirrors and architecture.

    Raises ImageError where a package or the suite can't be had.
    """
    addresses = mirrors(recipe.suite, shop)
    if not addresses:
        raise ImageError(
            "this machine's apt has no mirror to resolve the recipe with",
            "Add a Debian mirror to its sources.list (or sources.list.d), or to "
            f'{shop.host.user_config}:\n\n    [images]\n    mirrors = ["https://…"]',
        )
    lock = _first(recipe, addresses, shop)
    return replace(lock, wheels=_wheels(recipe, lock, shop)) if recipe.requirements else lock


def _first(recipe: Recipe, addresses: Sequence[str], shop: Workshop) -> Lock:
    """The packages by the first mirror that has them all; where none has, the complaint of the best one."""
    failures: list[ImageError] = []
    for address in addresses:
        shop.progress.note(f"resolving {recipe.text} with {recipe.suite} of {address}")
        try:
            with workplace(shop.temp, shop.host) as place:
                return _packages(recipe, address, place, shop)
        except ImageError as error:
            failures.append(error)
    raise failures[0]


def _packages(recipe: Recipe, mirror: str, place: Workplace, shop: Workshop) -> Lock:
    machine = architecture(shop.tools)
    apt = Resolver(mirror, recipe.suite, recipe.components, machine, place, shop.tools)
    release = next(stanzas(_signed_part(apt.update())))
    chosen = _install(apt, recipe.packages)
    packages = {(p.name, p.architecture, p.version): p for p in map(_package, stanzas(apt.show(chosen)))}
    missing = [name for name, arch, version in chosen if (name, arch, version) not in packages]
    if missing or not chosen:
        raise ImageError(f"apt chose packages that its index doesn't describe: {', '.join(missing)}")
    return Lock(
        BUILDER,
        recipe.checksum,
        recipe.suite,
        release.get("version", ""),
        int(parsedate_to_datetime(release["date"]).replace(tzinfo=timezone.utc).timestamp()),
        machine,
        tool_versions(shop.tools),
        tuple(sorted(packages[key] for key in chosen)),
    )


def _wheels(recipe: Recipe, lock: Lock, shop: Workshop) -> tuple[Wheel, ...]:
    with workplace(shop.temp, shop.host) as place:
        folder = place.path / "wheels"
        folder.mkdir()
        return lock_wheels(recipe.requirements, target_of(lock.packages, lock.architecture), folder, shop)


def _install(apt: Resolver, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """What to install for `names`. A new root is merged from the start; usrmerge would bring perl for it."""
    chosen = apt.install(names)
    if "usrmerge" in {name for name, _, _ in chosen} - set(names):
        return apt.install((*names, MERGED))
    return chosen


def _package(fields: Mapping[str, str]) -> Package:
    return Package(
        fields["package"],
        fields["architecture"],
        fields["version"],
        int(fields["size"]),
        fields["sha256"],
        fields["filename"].removeprefix("./"),
    )


def _signed_part(text: str) -> str:
    """The Release file inside an InRelease file (RFC 4880, section 7); apt has checked the signature."""
    if not text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        return text
    return text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
