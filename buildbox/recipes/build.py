"""From a recipe's folder to its image in the archive: recipe, lock, packages, root file system, image."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.errors import ImageError
from buildbox.recipes.bootstrap import bootstrap
from buildbox.recipes.deb822 import stanzas
from buildbox.recipes.image import add_image
from buildbox.recipes.keystore import PACKAGE, settle_keystore
from buildbox.recipes.lock import Lock, read_lock
from buildbox.recipes.packages import gather, keep
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import Built
from buildbox.recipes.snapshot import snapshot_of
from buildbox.recipes.target import target_of
from buildbox.recipes.tools import Command, architecture, tool_versions
from buildbox.recipes.wheels import gather_wheels
from buildbox.recipes.workplace import Workplace, room, workplace
from buildbox.recipes.workshop import Workshop


def build(folder: Path, shop: Workshop, into: Archive | None = None) -> Built:
    """Makes the image of the recipe in `folder` from its lock alone and keeps it in the archive.

    `into` is another archive for the image; its packages are kept in the workshop's all the same.
    Raises ConfigError for recipe and lock, ImageError where the image can't be made, ArchiveError.
    """
    recipe = read_recipe(folder)
    lock = read_lock(folder, recipe)
    _check_machine(lock, shop)
    with room(shop.temp, recipe.text), workplace(shop.temp, shop.host) as place:
        debs, wheels = place.path / "packages", place.path / "wheels"
        debs.mkdir()
        wheels.mkdir()
        gather(lock, debs, place, shop, snapshot_of(folder, recipe, lock, shop))
        if lock.wheels:
            gather_wheels(lock.wheels, target_of(lock.packages, lock.architecture), wheels, shop)
        keep(lock, recipe.image, shop.archive)
        tar = bootstrap(recipe, lock, debs, wheels, place, shop)
        check_installed(_status(tar, place, shop), lock)
        if any(package.name == PACKAGE for package in lock.packages):
            settle_keystore(tar, lock.source_date_epoch)
        return add_image(recipe, lock, tar, place, replace(shop, archive=into) if into else shop)


def check_installed(status: str, lock: Lock) -> None:
    """Raises ImageError where what dpkg has installed (its status file) isn't exactly what the lock lists."""
    wanted = {(p.name, p.architecture, p.version) for p in lock.packages}
    found = {
        (fields["package"], fields["architecture"], fields.get("version", ""))
        for fields in stanzas(status)
        if fields.get("status") == "install ok installed"
    }
    if wanted != found:
        lines = [f"not installed: {' '.join(item)}" for item in sorted(wanted - found)]
        lines += [f"not in the lock: {' '.join(item)}" for item in sorted(found - wanted)]
        raise ImageError("what was installed isn't what the lock lists", "\n".join(lines))


def _check_machine(lock: Lock, shop: Workshop) -> None:
    now = shop.host.now
    machine = architecture(shop.tools)
    if machine != lock.architecture:
        raise ImageError(
            f"the lock is for {lock.architecture}, this machine is {machine}",
            f"Build it on a machine with {lock.architecture}.",
        )
    if now < lock.source_date_epoch:  # files made now must be newer, so that their time is set back to it
        today = datetime.fromtimestamp(now, timezone.utc).date()
        raise ImageError(
            f"this machine's clock says {today}, which is before the packages were released",
            "Set the clock.",
        )
    here = dict(tool_versions(shop.tools))
    others = [
        f"{name} {here.get(name, 'not a package')}" for name, seen in lock.tools if here.get(name) != seen
    ]
    if others:
        shop.progress.note(f"the recorded pin was made with other versions of: {', '.join(others)}")


def _status(tar: Path, place: Workplace, shop: Workshop) -> str:
    """dpkg's record of what is installed, out of the new root."""
    argv = ("tar", "--extract", "--to-stdout", "--file", str(tar), "./var/lib/dpkg/status")
    done = shop.tools.run(Command(argv, place))
    if done.status:
        raise ImageError(f"the new root can't be read: {done.errors.strip()}")
    return done.output
