"""What recipes there are, and how much of each is on this machine; no engine is asked, no layer read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from buildbox.archive.images import MAX_CONFIG, read_manifest
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ConfigError, ImageError
from buildbox.oci import MAX_MANIFEST, Manifest
from buildbox.recipes.catalogue import DEBIAN, kind, recipe_names
from buildbox.recipes.dockerfile import DOCKERFILE, read_dockerfile
from buildbox.recipes.kept import listed
from buildbox.recipes.lock import LOCK, Package, Wheel, read_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import recorded
from buildbox.reference import ImageRef

OK, UNLOCKED, STALE, BROKEN = "ok", "no lock", "stale lock", "broken"  # states of recipes
YES, OLDER, NO = (
    "yes",
    "older",
    "no",
)  # whether the archive has the image; older: only one that isn't its lock's, or isn't the recorded one
_LOCK_LABEL = "buildbox.lock.checksum"


@dataclass(frozen=True)
class Entry:
    """A recipe as it stands here. Empty and None are what isn't known."""

    recipe: str  # NAME/VERSION
    kind: str  # DEBIAN or DOCKERFILE; the images of the latter aren't reproducible
    catalogue: Path  # the folder that it was found in
    state: str = OK
    problem: str = ""  # what is wrong, unless the state is ok
    suite: str = ""
    release: str = ""
    dated: int | None = None  # seconds since the epoch: the lock's release date, the image's where no lock is
    pin: ImageRef | None = None  # the recorded one, or else that of the image in the archive
    size: int | None = None  # bytes, compressed
    of_packages: bool = False  # `size` is that of the packages, since the image's isn't known
    image: str = NO
    packages: bool = False  # whether the archive has all of them: then a build needs no network


@dataclass(frozen=True)
class _Kept:
    """An image that is in the archive with all its layers."""

    pin: ImageRef
    size: int
    created: int | None
    lock: str  # checksum of the lock that it was made from, "" for other images


@dataclass(frozen=True)
class _Shelf:
    """The archive, and the newest that it has under each name."""

    archive: Archive
    newest: Mapping[str, Digest]  # registry/repository:tag -> digest
    packages: frozenset[Digest]  # all that it keeps as packages

    def has_package(self, package: Package | Wheel) -> bool:
        """Whether a build would get it from here."""
        return package.digest in self.packages and self.archive.has(package.digest)

    def newest_of(self, image: ImageRef) -> _Kept | None:
        digest = self.newest.get(f"{image.registry}/{image.repository}:{image.tag}")
        return self.kept(image.pinned(digest)) if digest else None

    def kept(self, pin: ImageRef) -> _Kept | None:
        """The image of `pin`, for whatever platform; None unless all its layers are there."""
        assert pin.digest
        try:
            top = read_manifest(self.archive.read(pin.digest, MAX_MANIFEST), pin.digest)
            if isinstance(top, Manifest):
                return self._read(pin, top)
            manifests = (
                read_manifest(self.archive.read(each, MAX_MANIFEST), each.digest)
                for each in top.manifests
                if self.archive.has(each.digest)
            )
            images = (self._read(pin, each) for each in manifests if isinstance(each, Manifest))
            return next((image for image in images if image), None)
        except (ArchiveError, ImageError, ValueError, TypeError, AttributeError):
            return None  # missing or damaged

    def _read(self, pin: ImageRef, manifest: Manifest) -> _Kept | None:
        if not all(self.archive.has(layer.digest) for layer in manifest.layers):
            return None
        config = json.loads(self.archive.read(manifest.config, MAX_CONFIG))
        labels = (config.get("config") or {}).get("Labels") or {}
        created = config.get("created")
        return _Kept(
            pin,
            sum(layer.size for layer in manifest.layers),
            int(datetime.fromisoformat(f"{created[:19]}+00:00").timestamp()) if created else None,
            str(labels.get(_LOCK_LABEL) or ""),
        )


def overview(catalogues: Sequence[Path], archive: Archive | None) -> list[Entry]:
    """Every recipe of `catalogues`, sorted; of two with one name, the first. Raises ArchiveError.

    A recipe that can't be used is told of in its entry.
    """
    shelf = None
    if archive:
        newest = {name.rpartition("@")[0]: entry.digest for name, entry in archive.refs()}
        shelf = _Shelf(archive, newest, listed(archive))
    names = sorted(recipe_names(catalogues), key=_in_order)
    first = [next(folder for folder in catalogues if kind(folder / name)) for name in names]
    return [_entry(name, folder, shelf) for name, folder in zip(names, first, strict=True)]


def _in_order(name: str) -> tuple[str, list[tuple[int, str]]]:
    """By name, then by version as people count: go/1.9 comes before go/1.19."""
    first, _, version = name.partition("/")
    return first, [(int(part), "") if part.isdecimal() else (-1, part) for part in version.split(".")]


def _entry(name: str, catalogue: Path, shelf: _Shelf | None) -> Entry:
    folder = catalogue / name
    if kind(folder) == DOCKERFILE:
        return _of_dockerfile(Entry(name, DOCKERFILE, catalogue), folder, shelf)
    entry = Entry(name, DEBIAN, catalogue)
    try:
        recipe = read_recipe(folder)
    except ConfigError as error:
        return replace(entry, state=BROKEN, problem=_said(error))
    built = recorded(folder)
    entry = replace(entry, suite=recipe.suite)
    images = _images(built.pin if built else None, recipe.image, shelf)
    try:
        lock = read_lock(folder, recipe)
    except ConfigError as error:
        state = STALE if (folder / LOCK).exists() else UNLOCKED
        return replace(entry, state=state, problem=_said(error), image=OLDER if images else NO)
    if built and built.lock == lock.checksum:
        entry = replace(entry, pin=built.pin, size=built.size)
    fresh = [image for image in images if image.lock == str(lock.checksum)]
    if fresh and not entry.pin:
        entry = replace(entry, pin=fresh[0].pin, size=fresh[0].size)
    contents: tuple[Package | Wheel, ...] = (*lock.packages, *lock.wheels)
    if entry.size is None:
        entry = replace(entry, size=sum(each.size for each in contents), of_packages=True)
    return replace(
        entry,
        release=lock.release,
        dated=lock.source_date_epoch,
        image=YES if fresh else OLDER if images else NO,
        packages=shelf is not None and all(shelf.has_package(each) for each in contents),
    )


def _images(pin: ImageRef | None, image: ImageRef, shelf: _Shelf | None) -> list[_Kept]:
    """What the archive has of a recipe: its recorded image, the newest of its name."""
    if shelf is None:
        return []
    return [each for each in (pin and shelf.kept(pin), shelf.newest_of(image)) if each]


def _of_dockerfile(entry: Entry, folder: Path, shelf: _Shelf | None) -> Entry:
    try:
        read_dockerfile(folder)
        image = ImageRef.parse(f"buildbox/{entry.recipe.replace('/', ':')}")
    except ConfigError as error:
        return replace(entry, state=BROKEN, problem=_said(error))
    except ValueError as error:
        problem = f"the folder's name {entry.recipe} makes no image name: {error}"
        return replace(entry, state=BROKEN, problem=problem)
    built = recorded(folder)
    images = _images(built.pin if built else None, image, shelf)
    known = [each for each in images if built is None or each.pin.digest == built.pin.digest]
    if known:
        entry = replace(entry, pin=known[0].pin, size=known[0].size, dated=known[0].created)
    elif built:
        entry = replace(entry, pin=built.pin, size=built.size)
    return replace(entry, image=YES if known else OLDER if images else NO)


def _said(error: ConfigError) -> str:
    return "\n".join((error.reason, *error.problems, *error.hint.splitlines()))
