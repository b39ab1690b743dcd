"""The catalogue's images as tests get them: each obtained once in a session, two at a time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.archive.copy import has_all
from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.oci import Platform
from buildbox.recipes.catalogue import own_catalogue, recipe_names
from buildbox.recipes.lock import LOCK
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import RECORD, recorded_pin
from buildbox.reference import ImageRef
from tests.support.project import REPOSITORY

CATALOGUE = own_catalogue()
RECIPES = tuple(recipe_names([CATALOGUE]))
SETTLED = ("bookworm",)  # suites that get no point releases: what their locks list stays on the mirrors
_NO_IMAGE = 121  # the exit status of a build whose packages can't be had, among others
_GONE = "can't be had"


@dataclass(frozen=True)
class Toolchain:
    """An image of the catalogue that is in an archive."""

    recipe: str
    pin: ImageRef
    archive: Path
    seconds: float  # that it took to build; 0 where it was there


class Toolchains:
    """Obtains images for the tests of one session, in the archive of whoever runs them."""

    def __init__(self, archive: Path, scratch: Path) -> None:
        self._archive, self._scratch = archive, scratch
        self._pool = ThreadPoolExecutor(2)  # a build uses little more than one core
        self._wanted: dict[str, Future[Toolchain]] = {}

    def start(self, recipes: Iterable[str]) -> None:
        """Has `recipes` made in this order, while tests that need only the first ones run."""
        for recipe in recipes:
            if recipe not in self._wanted:
                self._wanted[recipe] = self._pool.submit(self._obtain, recipe)

    def get(self, recipe: str) -> Toolchain:
        """The image of `recipe`, when it is there."""
        self.start([recipe])
        return self._wanted[recipe].result()

    def close(self) -> None:
        """Starts no more builds, and waits for those that run."""
        self._pool.shutdown(cancel_futures=True)

    def _obtain(self, recipe: str) -> Toolchain:
        """The recorded image where it is there or can be made: a build must give exactly that.

        Where its suite moves and a locked package is gone from the mirrors, one from a new lock.
        """
        folder = CATALOGUE / recipe
        pin = recorded_pin(folder)
        assert pin, f"{recipe} has no recorded pin"
        found = Toolchain(recipe, pin, self._archive, 0)
        archive = Archive.open(self._archive)
        assert pin.digest
        image = find_image(archive, pin.digest, Platform("linux", "amd64"))
        if image and has_all(archive, image):
            return found
        began = time.monotonic()
        done = _buildbox(REPOSITORY, "build", recipe)
        if done.returncode == _NO_IMAGE and _GONE in done.stderr and not _is_settled(folder):
            found = replace(found, pin=_from_new_lock(recipe, self._scratch))
        else:
            assert (done.returncode, done.stdout) == (0, f"{pin}\n"), f"{recipe}: {done.stdout}{done.stderr}"
        return replace(found, seconds=time.monotonic() - began)


def _is_settled(folder: Path) -> bool:
    return read_recipe(folder).suite in SETTLED


def _from_new_lock(recipe: str, scratch: Path) -> ImageRef:
    """Builds what `recipe` means today, in a project that has it for its own."""
    project = scratch / recipe.replace("/", "-")
    shutil.copytree(CATALOGUE / recipe, project / "images" / recipe)
    for name in (LOCK, RECORD):
        (project / "images" / recipe / name).unlink(missing_ok=True)
    (project / ".buildbox.toml").write_text("")
    for verb in ("lock", "build"):
        done = _buildbox(project, verb, recipe)
        assert done.returncode == 0, f"{verb} {recipe}: {done.stderr}"
    return ImageRef.parse(done.stdout.strip())


def _buildbox(project: Path, verb: str, recipe: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "buildbox", "-C", str(project), "images", verb, recipe]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def has_git(recipe: str) -> bool:
    """Whether the image of `recipe` has git."""
    return "git" in read_recipe(CATALOGUE / recipe).packages
