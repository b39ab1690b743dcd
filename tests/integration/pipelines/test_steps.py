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
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from tests.support.project import Project, keep_image
from tests.support.registry import PASSWORD, USER, RealRegistry
from tests.support.relayed import relayed
from tests.support.tiny_image import tiny_image
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


# One environment for all jobs of a system: the first installs buildbox into it, others find that it is there.
PYTHON = """\
#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
  kept=/tools/venv$(echo "$3" | tr / -)
  [ -d "$kept" ] || /usr/bin/python3 -m venv "$kept"
  exec ln -s "$kept" "$3"
fi
exec /usr/bin/python3 "$@"
"""


@dataclass(frozen=True)
class Laptop:
    """Where the project was made, with what its package is there."""

    project: Project
    registry: RealRegistry
    wheels: Path
    tools: Path  # of runners
    image: str  # of the catalogue's Python, as the engine has it

    def share(self, path: str) -> str:
        """A new remote archive with the project's image in it."""
        place = f"{self.registry.host}/{path}"
        self.project.ok("archive", "push", "--to", place)
        return place

    @property
    def digest(self) -> str:
        """Of the package that lies there now."""
        return sha256((self.project.root / "dist/package.gz").read_bytes()).hexdigest()

    def gets(self, archive: str) -> str | None:
        """The digest of the package that somebody without an engine has from there; None: it isn't there."""
        home = self.project.home.with_name("somebody")
        keep_image(home, tiny_image(), "tests/busybox:1")
        (home / "config.toml").write_text(f'[archive]\nremote = "{archive}"\n')
        (self.project.root / "dist/package.gz").unlink()
        somebody = replace(self.project, home=home)
        done = somebody.run("--engine", "unix:///nowhere.sock", "run", "--hermetic", "package")
        return self.digest if done.status == 0 else None

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
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the PATH of runners: PYTHON."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "python3").write_text(PYTHON)
    (folder / "python3").chmod(0o755)
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
    make_project: MakeProject, wheelhouse: Path, tools: Path, python_image: str, tmp_path: Path
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
        yield Laptop(project, registry, wheelhouse, tools, python_image)


Place = tuple[Machine, dict[str, str]]  # a runner, and the variables that its jobs have for that


@contextmanager
def runner(laptop: Laptop, *options: str, **variables: str) -> Iterator[Place]:
    """A clean container that has the repository, and wheels instead of an index."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_NO_COMPILE": "1"}
    path = "/tools:/usr/local/bin:/usr/bin:/bin"
    volumes = ["-v", f"{laptop.wheels}:/wheels:ro", "-v", f"{laptop.project.root}:/repository:ro"]
    with machine(laptop.image, *volumes, "-v", f"{laptop.tools}:/tools", *options) as made:
        yield made, {**pip, "PATH": path, **variables}


@pytest.fixture
def beside(laptop: Laptop) -> Iterator[Place]:
    """A runner in which the engine's socket is mounted."""
    with runner(laptop, "-v", f"{SOCKET.removeprefix('unix://')}:/var/run/docker.sock") as place:
        yield place


@pytest.fixture
def afar(laptop: Laptop) -> Iterator[Place]:
    """A runner with an engine at a TCP port."""
    with relayed(Path(SOCKET.removeprefix("unix://"))) as url, runner(laptop, DOCKER_HOST=url) as place:
        yield place


def contexts(archive: str, event: str) -> dict[str, str]:
    return {
        "github.event_name": event,
        "github.ref": "refs/heads/main",
        "github.event.repository.default_branch": "main",
        "vars.BUILDBOX_ARCHIVE": archive,
        "secrets.BUILDBOX_REGISTRY_USER": USER,
        "secrets.BUILDBOX_REGISTRY_PASSWORD": PASSWORD,
    }


def variables(laptop: Laptop, env: dict[str, str], branch: str) -> dict[str, str]:
    return {
        "CI_COMMIT_BRANCH": branch,
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_REF_PROTECTED": "true",
        "CI_REGISTRY": laptop.registry.host,
        "CI_REGISTRY_USER": USER,
        "CI_REGISTRY_PASSWORD": PASSWORD,
        **env,
    }


def digest(made: Machine, folder: str) -> str:
    return made.shell("sha256sum dist/package.gz", folder, {}).split()[0]


def test_github_fills_the_archive_beside_an_engine(laptop: Laptop, beside: Place) -> None:
    """On the default branch; and who asks the archive then has the same."""
    made, env = beside
    archive = laptop.share("team/one")
    workflow = load(laptop.written("github", "--hermetic").read_text())
    said = github_job(made, workflow, "archive", contexts(archive, "push"), env)
    assert "package passed" in said["Run"]
    assert (made_there := digest(made, "/github/workspace")) == laptop.digest
    assert laptop.gets(archive) == made_there


def test_github_builds_for_a_pull_request_with_an_engine_elsewhere(laptop: Laptop, afar: Place) -> None:
    """All in one job; what it makes stays with it."""
    made, env = afar
    archive = laptop.share("team/one")
    workflow = load(laptop.written("github", "--hermetic", "--jobs", "one").read_text())
    said = github_job(made, workflow, "build", contexts(archive, "pull_request"), env)
    assert "test[CASE=plain] passed" in said["Run"]
    assert "package passed" in said["Run"]
    assert digest(made, "/github/workspace") == laptop.digest
    assert laptop.gets(archive) is None


def test_gitlab_fills_the_archive_with_an_engine_elsewhere(laptop: Laptop, afar: Place) -> None:
    made, env = afar
    archive = laptop.share("team/two")
    pipeline = load(laptop.written("gitlab", "--archive", archive).read_text())
    said = gitlab_job(made, pipeline, "package", variables(laptop, env, "main"))
    assert "package passed" in said
    assert (made_there := digest(made, "/builds/group/project")) == laptop.digest
    assert laptop.gets(archive) == made_there


def test_gitlab_runs_a_variant_for_a_branch_beside_an_engine(laptop: Laptop, beside: Place) -> None:
    made, env = beside
    archive = laptop.share("team/two")
    pipeline = load(laptop.written("gitlab", "--archive", archive).read_text())
    (variant,) = (each for each in pipeline["test"]["parallel"]["matrix"][0]["VARIANT"] if "$" in each)
    said = gitlab_job(made, pipeline, "test", variables(laptop, env, "fix"), variant.replace("$$", "$"))
    assert "case: it's $HOME, ${{ x }}" in said
    assert laptop.gets(archive) is None
