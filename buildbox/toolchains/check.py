"""Rebuilds a recipe's image and compares it with the recorded one, then runs the recipe's smoke checks.

A rebuild goes into an archive of its own, so that an image that isn't the recorded one never takes its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.archive.copy import copy_image, has_all
from buildbox.archive.fetch import fetch
from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive, BlobDamaged
from buildbox.errors import ArchiveError, BuildboxError, ImageError
from buildbox.images import RegistryFor, require_pin
from buildbox.oci import Platform
from buildbox.recipes.build import build
from buildbox.recipes.lock import read_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import Built, recorded
from buildbox.recipes.tools import tool_versions
from buildbox.recipes.workplace import workplace
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from buildbox.toolchains.comparison import (
    COMPRESSION,
    CONFIGURATION,
    CONTENTS,
    IDENTICAL,
    INDEX,
    Comparison,
    compare_images,
    judge,
)
from buildbox.toolchains.smoke import OpenSession, Smoke, SmokeStopped, run_smoke

Rebuild = Callable[[Path, Workshop, Archive], Built]  # of the recipe in a folder, into an archive
UNRECORDED = "unrecorded"
_DOCKERFILE = (
    "a Dockerfile may give another image each time it is built: the pin and the archive are what lasts"
)
_VERDICTS = {
    IDENTICAL: "identical to the recorded image",
    INDEX: "the recorded image, in another index",
    COMPRESSION: "the recorded content, compressed otherwise",
    CONFIGURATION: "the recorded content, but another configuration",
    CONTENTS: "other content than the recorded image",
    UNRECORDED: "no pin is recorded to compare with",
}


@dataclass(frozen=True)
class Checked:
    """What checking one recipe has come to."""

    recipe: str
    recorded: ImageRef | None = None
    rebuilt: ImageRef | None = None
    comparison: Comparison | None = None  # None: nothing was recorded, or nothing built
    notes: tuple[str, ...] = ()  # what explains it, or what to do
    smoke: tuple[Smoke, ...] | None = None  # None: they weren't run
    error: BuildboxError | None = None  # that kept us from knowing more

    @property
    def different(self) -> bool:
        """Whether what was found, as far as it goes, isn't as recorded, or doesn't work."""
        compared = self.rebuilt is not None and not (self.comparison and self.comparison.identical)
        return compared or not all(check.passed for check in self.smoke or ())

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return not self.different and self.error is None

    @property
    def kind(self) -> str:
        """The comparison's kind, or UNRECORDED; "" where nothing was built."""
        if self.comparison:
            return self.comparison.kind
        return UNRECORDED if self.rebuilt else ""

    @property
    def verdict(self) -> str:
        """In one line."""
        if not self.kind:
            return f"not rebuilt: {self.error.reason if self.error else ''}"
        found = [_VERDICTS[self.kind]]
        if self.smoke is None:
            found.append("smoke checks were not run")
        elif failed := [check.name for check in self.smoke if not check.passed]:
            found.append(f"smoke checks failed: {', '.join(failed)}")
        else:
            found.append(f"smoke checks passed: {len(self.smoke)}" if self.smoke else "no smoke checks")
        return "; ".join(found)


def check(
    folder: Path,
    shop: Workshop,
    registry_for: RegistryFor,
    open_session: OpenSession,
    rebuild: Rebuild = build,
) -> Checked:
    """Checks the recipe in `folder`. The archive has its image then, unless it isn't the recorded one.

    Only interrupts are raised: all else that goes wrong is told in the result.
    """
    found = Checked(_name(folder))
    try:
        recipe = read_recipe(folder)
        made_with = read_lock(folder, recipe).tools
        found = _compared(found, folder, shop, registry_for, rebuild, lambda: _about_tools(made_with, shop))
        if found.kind in (IDENTICAL, UNRECORDED) and found.rebuilt:
            checks = run_smoke(recipe, found.rebuilt, shop.temp, shop.host, open_session, shop.progress)
            found = replace(found, smoke=checks)
    except SmokeStopped:
        raise
    except BuildboxError as error:
        return replace(found, error=error)
    return found


def check_dockerfile(folder: Path, shop: Workshop, registry_for: RegistryFor, rebuild: Rebuild) -> Checked:
    """The same for a Dockerfile recipe, which has no smoke checks; `rebuild` has the engine build it anew."""
    found = Checked(_name(folder), smoke=())
    try:
        return _compared(found, folder, shop, registry_for, rebuild, lambda: _DOCKERFILE)
    except BuildboxError as error:
        return replace(found, error=error)


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _compared(
    found: Checked,
    folder: Path,
    shop: Workshop,
    registry_for: RegistryFor,
    rebuild: Rebuild,
    explain: Callable[[], str],
) -> Checked:
    """`found` with a rebuild, which is in the workshop's archive afterwards if it may be.

    `explain` says what a difference may come from.
    """
    record = recorded(folder)
    shop.progress.note(f"rebuilding {found.recipe}")
    with workplace(shop.temp, shop.host) as place:
        scratch = Archive.open(place.path / "archive")
        built = rebuild(folder, shop, scratch)
        found = replace(found, recorded=record.pin if record else None, rebuilt=built.pin)
        recording = f"buildbox images build {found.recipe} --record"
        if record is None:
            _take_over(built, scratch, shop.archive)
            return replace(found, notes=(f"Record this one, if it is right: {recording}",))
        kind = judge(record, built)
        if kind == IDENTICAL:
            _take_over(built, scratch, shop.archive)
            return replace(found, comparison=Comparison(IDENTICAL))
        again = f"The recorded image was made from another lock; if this one is right: {recording}"
        notes = [explain() if record.lock == built.lock else again]
        try:
            pinned = _pinned(record, kind, shop, registry_for)
            comparison = compare_images(pinned, shop.archive, _image(built, scratch), scratch)
        except (ImageError, ArchiveError) as error:
            comparison = Comparison(kind)
            notes += [f"what differs can't be named: {error.reason}", *error.hint.splitlines()]
        return replace(found, comparison=comparison, notes=tuple(notes))


def _pinned(record: Built, kind: str, shop: Workshop, registry_for: RegistryFor) -> ArchivedImage:
    """The recorded image, whole in the archive, fetched where it has to be and is worth it.

    Raises ImageError where it can't be had.
    """
    platform = Platform.parse(record.platform)
    try:
        image = find_image(shop.archive, require_pin(record.pin), platform)
        if image and has_all(shop.archive, image):
            return image
    except BlobDamaged:
        pass
    here = f"the recorded image is not in the archive at {shop.archive.path}"
    if kind == COMPRESSION:
        raise ImageError(here)
    if shop.offline:
        raise ImageError(
            f"{here}, and {record.pin.registry} is not asked (--offline)", "Check again without --offline."
        )
    shop.progress.note(f"{here}; asking {record.pin.registry}")
    registry = registry_for(record.pin.registry)
    try:
        return fetch(shop.archive, registry, record.pin, platform, shop.progress, check=True)
    except ImageError as error:
        raise ImageError(
            f"{here}, and {record.pin.registry} doesn't give it: {error.reason}",
            "Check again where an archive has the image, or where a registry gives it.",
        ) from None
    finally:
        registry.close()


def _take_over(built: Built, scratch: Archive, archive: Archive) -> None:
    """Puts what was built into `archive`, under its name; one that it has whole already stays untouched."""
    image = _image(built, scratch)
    copy_image(image, scratch, archive)
    there = {name for name, _ in archive.refs()}
    for name, descriptor in scratch.refs():
        if name not in there:
            archive.keep(descriptor, name)


def _image(built: Built, archive: Archive) -> ArchivedImage:
    image = find_image(archive, require_pin(built.pin), Platform.parse(built.platform))
    if image is None:
        raise ArchiveError(f"{built.pin} vanished from {archive.path} while it was checked")
    return image


def _about_tools(before: Sequence[tuple[str, str]], shop: Workshop) -> str:
    """With which tools the recorded image was made, and which are here."""
    here = dict(tool_versions(shop.tools))
    others = [(name, version) for name, version in before if here.get(name) != version]
    if not others:
        return "the tools here are those that made the recorded image: " + ", ".join(map(" ".join, before))
    made = ", ".join(map(" ".join, others))
    return f"the recorded image was made with {made}; here: " + ", ".join(
        f"{name} {here.get(name, 'unknown')}" for name, _ in others
    )
