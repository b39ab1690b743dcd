"""What a run leaves behind for `archive list` and `archive gc`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.run.conftest import MakeProject
from tests.support.project import Caller

TASK = '[tasks.true]\nargv = ["true"]\n'


def test_a_run_notes_what_the_project_pins_and_what_it_used(
    make_project: MakeProject, caller: Caller
) -> None:
    project = make_project(TASK, caller=caller)
    (kept,) = json.loads(project.ok("archive", "list", "--json"))["kept"]
    assert (kept["used"], kept["projects"]) == (None, [])
    project.ok("run", "true")
    (kept,) = json.loads(project.ok("archive", "list", "--json"))["kept"]
    assert kept["used"]
    assert kept["projects"] == [str(project.root)]
    before = notes(project.home)
    project.ok("exec", "box", "--", "true")
    assert notes(project.home) == before


def notes(home: Path) -> dict[str, tuple[int, int]]:
    """Every note, and what changes when it is written again."""
    paths = [*(home / "projects").glob("*.json"), *(home / "used").glob("*")]
    assert len(paths) == 2
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_what_cant_be_noted_stops_no_run(make_project: MakeProject) -> None:
    project = make_project(TASK)
    for name in ("projects", "used"):
        (project.home / name).write_text("a file, where a folder should be")
    done = project.run("run", "true")
    assert (done.status, done.err) == (0, "")
