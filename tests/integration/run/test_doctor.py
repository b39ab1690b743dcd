"""`buildbox doctor` on a real engine."""

from __future__ import annotations

import json
from pathlib import Path

from buildbox.doctor.checks import NAMES
from tests.integration.run.conftest import MakeProject
from tests.support.project import Caller, Project, Result

TASK = '[tasks.t]\nrun = "true"\n'


def states(result: Result) -> dict[str, str]:
    """The state of each check, from the JSON document."""
    return {check["name"]: check["state"] for check in json.loads(result.out)["checks"]}


def test_all_is_well(make_project: MakeProject, caller: Caller) -> None:
    project: Project = make_project(TASK, caller=caller)
    result = project.run("doctor", "--json")
    assert result.status == 0, result.out
    found = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert list(found) == list(NAMES)
    disks = ("engine disk", "archive disk")  # may be full where the tests run
    assert {name for name, check in found.items() if check["state"] != "ok"} <= set(disks)
    assert "the same as the engine" in found["clock"]["found"]
    assert "tests/busybox:1 ran" in found["container"]["found"]
    assert f"({caller.uid}:{caller.gid})" in found["files"]["found"]
    assert not list(project.home.glob("doctor-*"))


def test_it_is_told_in_lines(make_project: MakeProject) -> None:
    project: Project = make_project(TASK)
    lines = project.ok("doctor").splitlines()
    assert len([line for line in lines if line.startswith(("ok", "warn", "fail"))]) == len(NAMES)
    assert "\033[32mok  \033[0m" in project.ok("--color", "always", "doctor")
    assert "\033[" not in "\n".join(lines)


def test_without_an_engine_it_goes_on_and_says_what_to_do(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", tmp_path / "home", env={"DOCKER_HOST": "unix:///nowhere.sock"})
    project.root.mkdir()
    project.home.mkdir()
    result = project.run("doctor", "--json")
    assert result.status == 120
    (engine, *_) = json.loads(result.out)["checks"]
    assert (engine["name"], engine["state"]) == ("engine", "fail")
    assert engine["advice"]
    assert states(result)["archive"] == "ok"


def test_a_damaged_archive_is_found(make_project: MakeProject) -> None:
    project: Project = make_project(TASK)
    largest = max((project.home / "archive/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"cut")
    result = project.run("doctor", "--json")
    assert result.status == 123
    assert states(result)["archive"] == "fail"


def test_a_broken_project_is_found(make_project: MakeProject) -> None:
    project: Project = make_project("[tasks.t]\nrin = 1\n")
    result = project.run("doctor", "-q")
    assert result.status == 2
    assert "unknown key 'rin'" in result.out
    assert "\nok" not in f"\n{result.out}"
