"""What buildbox's own task `package` makes: whole, the same bytes again, and good to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.run.conftest import MakeProject, make_project
from tests.support.checkout import checkout_files
from tests.support.project import Project, lend_archive

__all__ = ["make_project"]


@dataclass(frozen=True)
class Packed:
    """A clone of the checkout in which `buildbox run package` has passed."""

    project: Project
    sdist: Path
    wheel: Path

    def line(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a command beside it, with hardly an environment."""
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(self.project.home), **env}
        done = subprocess.run(
            command, cwd=self.project.home, env=plain, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture(scope="module")
def packed(catalogue_archive: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("packaging")
    project = Project(folder / "clone", folder / "home")
    shutil.copytree(clone, project.root)
    project.home.mkdir()
    lend_archive(catalogue_archive, project.home, project.caller, apart=True)
    project.ok("run", "package")
    (sdist,) = (project.root / "dist").glob("*.tar.gz")
    (wheel,) = (project.root / "dist").glob("*.whl")
    return Packed(project, sdist, wheel)


def test_the_sdist_has_what_git_has_and_nothing_else(packed: Packed) -> None:
    with tarfile.open(packed.sdist) as tar:
        names = {member.name.partition("/")[2] for member in tar}
    tracked = {name for name in checkout_files(new=False) if not name.startswith(".ci/")}
    assert tracked - names == set()
    assert names - set(checkout_files()) == {"PKG-INFO"}


def test_the_wheel_has_the_package_and_the_catalogue(packed: Packed) -> None:
    with zipfile.ZipFile(packed.wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    files = [name for name in checkout_files() if name.startswith(("buildbox/", "images/"))]
    assert names == {name if name.startswith("buildbox/") else f"buildbox/{name}" for name in files}


def test_each_can_be_made_again_in_any_surroundings(packed: Packed) -> None:
    assert packed.project.ok("reproduce", str(packed.wheel)) == "package: identical: its 2 outputs\n"
    varied = packed.project.ok("reproduce", "--vary", str(packed.sdist))
    assert "package: the same with all of these varied: folder of the build" in varied


def test_a_note_beside_the_source_stays_at_home(packed: Packed) -> None:
    """Neither what lies at the top nor what git ignores is packed, and the same bytes come of it."""
    before = packed.sdist.read_bytes(), packed.wheel.read_bytes()
    packed.project.write({"passwords.txt": "secret", "notes/plan.txt": "", "tests/__pycache__/x.pyc": ""})
    packed.project.ok("run", "--force", "package")
    assert (packed.sdist.read_bytes(), packed.wheel.read_bytes()) == before


def test_pip_makes_the_same_wheel_of_the_sdist(packed: Packed) -> None:
    pip = ["pip", "wheel", "-q", "--no-index", "--no-build-isolation", "--no-deps", "-w", "again"]
    packed.project.ok("exec", "python", "--", *pip, f"dist/{packed.sdist.name}")
    assert (packed.project.root / "again" / packed.wheel.name).read_bytes() == packed.wheel.read_bytes()


@pytest.mark.parametrize(("installer", "what"), [("pipx", "wheel"), ("uv", "wheel"), ("uv", "sdist")])
def test_it_installs_and_runs_in_an_environment_of_its_own(
    packed: Packed, wheels: Path, make_project: MakeProject, tmp_path: Path, installer: str, what: str
) -> None:
    apart, bare = ("--no-index", "--find-links", str(wheels)), str(getattr(packed, what))
    programs = tmp_path / "bin"
    if installer == "pipx":
        line = ["pipx", "install", "--backend", "pip", f"--pip-args={' '.join(apart)}", bare]
        env = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(programs), "PIP_NO_COMPILE": "1"}
    else:
        line = ["uv", "tool", "install", "--python", sys.executable, *apart, bare]
        env = {"UV_TOOL_DIR": str(tmp_path / "uv"), "UV_TOOL_BIN_DIR": str(programs)}
    packed.line(sys.executable, "-m", *line, **env)
    buildbox = str(programs / "buildbox")
    assert packed.line(buildbox, "--version").stdout == "buildbox 0.1.0\n"
    tiny = make_project('[tasks.hello]\nrun = "echo hello"\n')
    at = {"BUILDBOX_HOME": str(tiny.home), **tiny_engine()}
    assert "\nhello " in packed.line(buildbox, "-C", str(tiny.root), "list", **at).stdout
    assert packed.line(buildbox, "-C", str(tiny.root), "run", "hello", **at).stdout == "hello\n"
    assert "python/3.11" in packed.line(buildbox, "images", "list", **at).stdout


def tiny_engine() -> dict[str, str]:
    """How to reach the engine that the tests run on."""
    return {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
