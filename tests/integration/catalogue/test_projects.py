"""Each image of the catalogue builds a real project, as another user than root and without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildbox.recipes.recipe import read_recipe
from tests.integration.catalogue.conftest import CALLER, PROJECTS, MakeProject
from tests.support.catalogue import CATALOGUE, RECIPES, Toolchain

pytestmark = pytest.mark.timeout(900)  # the first test of a recipe waits for its image


@dataclass(frozen=True)
class Built:
    """What shows that the tasks of a project did their work."""

    says: Mapping[str, str]  # by each task, in order, on stdout or stderr
    makes: str  # a file that is there afterwards, the caller's own


BUILT = {
    "base": Built({"pack": "out/notes.zip", "check": "the second note"}, "out/notes.tar.xz"),
    "gcc": Built(
        {
            "ninja": "100% tests passed, 0 tests failed out of 2",
            "make": "100% tests passed, 0 tests failed out of 2",
            "package": "greeting-1.0-Linux/bin/greet",
            "again": "direct_cache_hit\t2",
        },
        "out/ninja/greet",
    ),
    "go": Built({"lint": "", "test": "coverage: 100.0% of statements", "build": "hello, world"}, "out/greet"),
    "java": Built({"package": "Tests run: 2, Failures: 0", "run": "hello, world"}, "target/greeting-1.0.jar"),
    "node": Built(
        {"install": "", "lint": "", "test": "# pass 2", "pack": "greeting-1.0.0.tgz"}, "greeting-1.0.0.tgz"
    ),
    "python": Built(
        {
            "lint": "All checks passed!",
            "test": "3 passed",
            "wheel": "Successfully built greeting-1.0-py3-none-any.whl",
            "install": "hello, world",
        },
        "dist/greeting-1.0-py3-none-any.whl",
    ),
    "rust": Built(
        {"lint": "Finished", "test": "Doc-tests greeting", "build": "hello, world"}, "target/release/greet"
    ),
}


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe.split("/")[0] in BUILT])
def test_a_project_is_built(
    recipe: str, toolchain: Toolchain, make_project: MakeProject, maven_plugins: Callable[[str], Path]
) -> None:
    name = recipe.split("/")[0]
    project = make_project(toolchain, (PROJECTS / name / "tasks.toml").read_text(), name)
    if name == "java":
        shutil.copytree(maven_plugins(read_recipe(CATALOGUE / recipe).suite), project.root / "m2")
        project.own()
    for task, words in BUILT[name].says.items():
        result = project.run("run", task)
        assert result.status == 0, f"{task}: exit status {result.status}\n{result.out}\n{result.err}"
        assert words in result.out + result.err, task
    assert (project.root / BUILT[name].makes).stat().st_uid == CALLER.uid


def test_every_toolchain_has_a_project() -> None:
    kinds = {recipe.split("/")[0] for recipe in RECIPES} - {"builder", "postgres"}  # no toolchains
    assert kinds == BUILT.keys() == {folder.name for folder in PROJECTS.iterdir()}
