"""`buildbox images sbom`, as a process: nothing but the document on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildbox.recipes.lock import write_lock
from tests.support.project import Project, Result
from tests.support.recipes import lock, package, write_recipe


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    folder = write_recipe(root / "images")
    (root / ".buildbox.toml").write_text("")
    write_lock(folder, lock(package("make"), package("tzdata", architecture="all")), "tool/1")
    return Project(root, tmp_path / "home")


def refused(result: Result) -> str:
    assert (result.status, result.out) == (2, "")
    return result.err


def test_the_document_is_all_that_stdout_has(project: Project) -> None:
    result = project.run("--offline", "images", "sbom", "tool/1")
    assert (result.status, result.err) == (0, "")
    assert [part["name"] for part in json.loads(result.out)["components"]] == ["make", "tzdata"]
    assert not project.home.exists()  # neither archive nor engine is asked


def test_a_file_gets_the_same_bytes(project: Project) -> None:
    document = project.ok("images", "sbom", "tool/1")
    assert project.ok("images", "sbom", "tool/1", "-o", "tool.json") == ""
    written = project.root / "tool.json"
    assert written.read_text() == document
    said = json.loads(project.ok("images", "sbom", "tool/1", "-o", "/dev/null", "--json"))
    assert said == {"sbom": "/dev/null", "components": 2}


def test_a_stale_lock_leaves_the_file_as_it_was(project: Project) -> None:
    (project.root / "tool.json").write_text("old")
    recipe = project.root / "images/tool/1/recipe.toml"
    recipe.write_text(recipe.read_text().replace('"make", ', ""))
    assert "stale" in refused(project.run("images", "sbom", "tool/1", "-o", "tool.json"))
    assert (project.root / "tool.json").read_text() == "old"


def test_a_recipe_that_is_not_there(project: Project) -> None:
    assert "tool/1" in refused(project.run("images", "sbom", "tool/2"))
