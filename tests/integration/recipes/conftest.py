"""Archives, and mirrors that are folders, for tests that build images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.recipes.catalogue import find_recipe, own_catalogue
from buildbox.recipes.lock import read_lock
from buildbox.recipes.recipe import read_recipe
from tests.support.workshops import fetch_packages, workshop

SetMirrors = Callable[[Sequence[Path]], Mapping[str, str]]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty archive."""
    return Archive.open(tmp_path / "archive")


@pytest.fixture
def set_mirrors(tmp_path: Path) -> SetMirrors:
    """An environment in which the machine's apt has just these folders for mirrors."""

    def set_up(mirrors: Sequence[Path]) -> Mapping[str, str]:
        sources = tmp_path / "sources.list"
        sources.write_text("".join(f"deb [trusted=yes] file:{mirror} bookworm main\n" for mirror in mirrors))
        settings = tmp_path / "apt.conf"
        settings.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n')
        return {**os.environ, "APT_CONFIG": str(settings)}

    return set_up


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for buildbox's own files, whose archive has the packages of python/3.11 from the mirror."""
    home = tmp_path_factory.mktemp("home")
    folder = find_recipe("python/3.11", [own_catalogue()])
    lock = read_lock(folder, read_recipe(folder))
    scratch = home / "scratch"
    scratch.mkdir()
    fetch_packages(lock, workshop(scratch, Archive.open(home / "archive")))
    return home
