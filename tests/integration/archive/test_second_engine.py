"""A project with two pins on an engine that has never seen them, from the archive alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import NEWEST
from tests.support.own_engine import HERE, OwnEngine, Program, docker_of, own_engine
from tests.support.project import Project, keep_image
from tests.support.tiny_image import FILES, tiny_image

ENGINES: dict[str, Program] = {"oldest": HERE, NEWEST: docker_of("forky", containerd=True)}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    with (
        tempfile.TemporaryDirectory(prefix="bb", dir="/tmp") as folder,
        own_engine(Path(folder), ENGINES[request.param]) as engine,
    ):
        yield engine


@pytest.mark.parametrize("words", [("--offline",), ()], ids=["offline", "online"])
def test_both_run_and_no_registry_is_asked(engine: OwnEngine, tmp_path: Path, words: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    first, second = (
        keep_image(home, tiny_image(files={**FILES, "etc/mark": mark}), f"registry.example.com/{mark}")
        for mark in ("first", "second")
    )
    project = Project(tmp_path / "project", home)
    project.root.mkdir()
    project.write(
        {
            ".buildbox.toml": f'toolchains.first.image = "{first}"\ntoolchains.second.image = "{second}"\n'
            '[tasks.a]\ntoolchain = "first"\nrun = "cat /etc/mark"\n'
            '[tasks.b]\ntoolchain = "second"\nrun = "cat /etc/mark"\n'
        }
    )
    for task, mark in (("a", "first"), ("b", "second")):
        loaded = project.run("--engine", engine.url, *words, "run", task)
        assert (loaded.status, loaded.out) == (0, mark), loaded.err
        assert project.run("--engine", engine.url, *words, "-q", "run", task).out == mark
