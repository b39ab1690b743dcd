"""Hermetic tasks on other engines: tests that the machine's Docker passes, and the same bytes."""

from __future__ import annotations

from dataclasses import replace

from tests.integration.graph.test_hermetic import (
    GRAPH,
    states,
    test_a_mounted_task_sees_no_state,
    test_outputs_come_back_and_only_they,
    test_what_has_passed_is_not_run_again,
)
from tests.integration.run.conftest import MakeProject

__all__ = [
    "test_a_mounted_task_sees_no_state",
    "test_outputs_come_back_and_only_they",
    "test_what_has_passed_is_not_run_again",
]


def test_the_machines_engine_gives_the_same(make_project: MakeProject) -> None:
    """It knows the result by its fingerprint, and makes the same when it is forced to."""
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    assert states(project, "pack") == {"gen": "passed", "pack": "passed"}
    made = (project.root / "dist/packed.txt").read_bytes()
    there = replace(project, env={})
    assert states(there, "pack") == {"gen": "cached", "pack": "cached"}
    assert states(there, "--force", "pack") == {"gen": "passed", "pack": "passed"}
    assert (project.root / "dist/packed.txt").read_bytes() == made
