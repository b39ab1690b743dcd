"""`buildbox images list`, as a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.lock import write_lock
from tests.support.project import Project
from tests.support.recipes import lock, package, write_recipe


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    write_lock(write_recipe(root / "images"), lock(package("make", data=b"make's")), "tool/1")
    (root / ".buildbox.toml").write_text("")
    return Project(root, tmp_path / "home")


def test_the_projects_recipes_and_the_catalogues(project: Project) -> None:
    write_recipe(project.root / "images", "python/3.11")
    found = json.loads(project.ok("images", "list", "--json"))["recipes"]
    origins = {entry["recipe"]: entry["from"] for entry in found}
    assert origins["tool/1"] == origins["python/3.11"] == "project"
    missing = {"/".join(path.parts[-3:-1]) for path in own_catalogue().glob("*/*/recipe.toml")} - set(origins)
    assert missing == set()
    assert origins["gcc/12"] == "catalogue"


def test_a_table_on_stdout_the_reasons_on_stderr(project: Project) -> None:
    write_recipe(project.root / "images", "tool/2", "format = 1\n")
    result = project.run("images", "list")
    assert result.status == 0
    rows = {line.split()[0]: line.split() for line in result.out.splitlines()}
    assert rows["tool/1"][1:5] == ["debian", "bookworm", "12.15", "6"]
    assert rows["tool/1"][-4:] == ["no", "no", "project", "ok"]
    assert rows["tool/2"][-2:] == ["project", "broken"]
    assert "buildbox: tool/2: " in result.err
    assert "tool/1" not in result.err
    assert not (project.home / "archive").exists()  # to look is not to make


def test_what_is_not_known_is_null(project: Project) -> None:
    found = json.loads(project.ok("images", "list", "--json"))["recipes"]
    entry = next(entry for entry in found if entry["recipe"] == "tool/1")
    assert entry == {
        "recipe": "tool/1",
        "kind": "debian",
        "reproducible": True,
        "from": "project",
        "state": "ok",
        "problem": None,
        "suite": "bookworm",
        "release": "12.15",
        "dated": "2026-07-11T10:16:37Z",
        "pin": None,
        "size": 6,
        "size-of": "packages",
        "image": "no",
        "packages": False,
    }
