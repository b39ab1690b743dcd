"""The shell steps of both systems' pipelines, run in a clean container: with the engine's socket mounted, and
with an engine at a TCP port. What they make is what a laptop makes."""

from __future__ import annotations

import base64
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.images import obtain
from buildbox.oci import Platform
from buildbox.progress import Silent
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.record import recorded_pin
from buildbox.registry.client import Registry
from tests.integration.run.conftest import MakeProject, make_project
from tests.support import registry as support
from tests.support.checkout import GIT, download
from tests.support.ci_runner import Machine, github_job, gitlab_job, machine
from tests.support.engines import SOCKET
from tests.support.project import Project
from tests.support.registry import PASSWORD, USER, RealRegistry
from tests.support.relayed import relayed
from tests.unit.pipelines.given import load

__all__ = ["make_project"]

TASKS = """
[project]
default = ["package", "test"]
[tasks.compile]
hermetic = true
inputs = ["*.txt"]
outputs = ["build/"]
run = "mkdir build; cat *.txt > build/all; id -un >> build/all"
timeout = "1m"
[tasks.package]
hermetic = true
needs = ["compile"]
inputs = []
outputs = ["dist/*.gz"]
source-date-epoch = "commit"
run = '''
mkdir dist
{ cat build/all; echo "$SOURCE_DATE_EPOCH"; } | gzip -n > dist/package.gz
'''
[tasks.test]
needs = ["compile"]
matrix.env.CASE = ["plain", "it's $HOME, ${{ x }}"]
run = 'grep -q build build/all; echo "case: $CASE"'
"""


@dataclass(frozen=True)
class Laptop:
    """Where the project was made, with what its package is there."""

    project: Project
    registry: RealRegistry
    wheels: Path
    image: str  # of the catalogue's Python, as the engine has it

    def share(self, path: str) -> str:
        """A new remote archive with the project's image in it."""
        place = f"{self.registry.host}/{path}"
        self.project.ok("archive", "push", "--to", place)
        return place

    @property
    def digest(self) -> str:
        return sha256((self.project.root / "dist/package.gz").read_bytes()).hexdigest()

    def written(self, system: str, *options: str) -> Path:
        """The pipeline of `system`, for buildbox from this checkout's wheel."""
        (wheel,) = self.wheels.glob("buildbox-*.whl")
        file = self.project.home / f"{system}.yml"
        options = ("--requirement", f"/wheels/{wheel.name}", "-o", str(file), "--force", *options)
        self.project.ok("ci", system, *options)
        return file


@pytest.fixture(scope="module")
def wheelhouse(clone: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """buildbox's wheel, and all that the image's Python needs to install it."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--find-links", str(wheels), "--no-deps"]
    subprocess.run([*pip, "-w", str(folder), str(clone)], check=True)
    for wheel in wheels.glob("*.whl"):
        os.link(wheel, folder / wheel.name)
    if platform.python_version_tuple()[:2] != ("3", "11"):
        (own,) = folder.glob("buildbox-*.whl")
        download(folder, "--python-version", "3.11", "--only-binary=:all:", str(own))
    return folder


@pytest.fixture(scope="module")
def python_image(catalogue_archive: Path) -> str:
    """The catalogue's Python, in the engine."""
    pin = recorded_pin(own_catalogue() / "python/3.11")
    assert pin
    engine = connect(Address(SOCKET, "the tests"))

    def nobody(host: str) -> Registry:
        raise AssertionError(f"{host} was asked")

    _, image = obtain(
        Archive.open(catalogue_archive),
        engine,
        pin,
        Platform("linux", "amd64"),
        offline=True,
        registry_for=nobody,
        recipe_for=lambda ref: None,
        progress=Silent(),
    )
    engine.close()
    return image


@pytest.fixture
def laptop(
    make_project: MakeProject, wheelhouse: Path, python_image: str, tmp_path: Path
) -> Iterator[Laptop]:
    project = make_project(TASKS, env={"DOCKER_CONFIG": str(tmp_path / "docker")})
    project.write({"one.txt": "one\n", "two.txt": "two\n"})
    for line in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "all")):
        subprocess.run([*GIT, *line], cwd=project.root, check=True)
    project.ok("run", "--hermetic", "package")
    with support.serve(tmp_path / "registry", login=True) as registry:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
        yield Laptop(project, registry, wheelhouse, python_image)


@pytest.fixture(params=["socket", "tcp"])
def place(request: pytest.FixtureRequest, laptop: Laptop) -> Iterator[tuple[Machine, dict[str, str]]]:
    """A runner with an engine in one of two ways, and the variables that its jobs have for that."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_NO_COMPILE": "1"}
    options = ["-v", f"{laptop.wheels}:/wheels:ro", "-v", f"{laptop.project.root}:/repository:ro"]
    socket = Path(SOCKET.removeprefix("unix://"))
    if request.param == "socket":
        options += ["-v", f"{socket}:/var/run/docker.sock"]
        with machine(laptop.image, *options) as made:
            yield made, pip
    else:
        with relayed(socket) as url, machine(laptop.image, *options) as made:
            yield made, {**pip, "DOCKER_HOST": url}


def digest(made: Machine, folder: str) -> str:
    return made.shell("sha256sum dist/package.gz", folder, {}).split()[0]


def test_github(laptop: Laptop, place: tuple[Machine, dict[str, str]]) -> None:
    made, env = place
    archive = laptop.share("team/one")
    workflow = load(laptop.written("github", "--hermetic").read_text())
    contexts = {
        "github.event_name": "push",
        "github.ref": "refs/heads/main",
        "github.event.repository.default_branch": "main",
        "vars.BUILDBOX_ARCHIVE": archive,
        "secrets.BUILDBOX_REGISTRY_USER": USER,
        "secrets.BUILDBOX_REGISTRY_PASSWORD": PASSWORD,
    }
    said = github_job(made, workflow, "archive", contexts, env)
    assert "passed" in said["Run"]
    assert digest(made, "/github/workspace") == laptop.digest
    pull = {**contexts, "github.event_name": "pull_request", "needs.compile.result": "success"}
    said = github_job(made, workflow, "package", pull, env)
    assert "passed" not in said["Run"]
    assert digest(made, "/github/workspace") == laptop.digest


def test_gitlab(laptop: Laptop, place: tuple[Machine, dict[str, str]]) -> None:
    made, env = place
    archive = laptop.share("team/two")
    pipeline = load(laptop.written("gitlab", "--archive", archive).read_text())
    variables = {
        "CI_COMMIT_BRANCH": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_REGISTRY": laptop.registry.host,
        "CI_REGISTRY_USER": USER,
        "CI_REGISTRY_PASSWORD": PASSWORD,
        **env,
    }
    said = gitlab_job(made, pipeline, "package", variables)
    assert "passed" in said
    assert digest(made, "/builds/group/project") == laptop.digest
    (variant,) = (each for each in pipeline["test"]["parallel"]["matrix"][0]["VARIANT"] if "$" in each)
    said = gitlab_job(
        made, pipeline, "test", {**variables, "CI_COMMIT_BRANCH": ""}, variant.replace("$$", "$")
    )
    assert "case: it's $HOME, ${{ x }}" in said
