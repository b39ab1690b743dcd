"""buildbox as its users install it: from a wheel, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildbox.recipes.catalogue import own_catalogue, recipe_names

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with what a wheel of the checkout has in it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("buildbox-*.whl")
    site = folder / "site"  # by pip, which keeps a program's mode
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True)
    return site


def call(installed: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """buildbox out of the wheel, called in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "buildbox", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "BUILDBOX_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_carries_the_whole_catalogue(installed: Path, tmp_path: Path) -> None:
    own = own_catalogue()
    files = sorted(path.relative_to(own) for path in own.rglob("*") if path.is_file())
    assert [
        path
        for path in files
        if (own / path).read_bytes() != (installed / "buildbox/images" / path).read_bytes()
    ] == []
    done = call(installed, tmp_path, "--json", "images", "list")
    listed = json.loads(done.stdout)["recipes"]
    assert sorted(each["recipe"] for each in listed) == recipe_names([own])
    assert {each["state"] for each in listed} == {"ok"}
    sbom = call(installed, tmp_path, "images", "sbom", "python/3.13")
    assert json.loads(sbom.stdout)["bomFormat"] == "CycloneDX"


def test_it_changes_nothing_of_what_is_installed(installed: Path, tmp_path: Path) -> None:
    lock = installed / "buildbox/images/base/12/recipe.lock"
    before = lock.stat().st_mtime_ns
    done = call(installed, tmp_path, "images", "lock", "base/12")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cp -r {lock.parent} images/base/12" in done.stderr
    assert lock.stat().st_mtime_ns == before
