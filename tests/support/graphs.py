"""A graph of a project, run as a user runs it, and what it said of itself as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.digest import Digest
from tests.support.project import Project


@dataclass(frozen=True)
class Run:
    """How a graph ended."""

    status: int
    states: Mapping[str, str]  # of each step: passed, cached, failed, stopped, not run
    ends: Mapping[str, Mapping[str, Any]]  # the steps' `end` events
    output: Mapping[str, str]  # of each step, both streams
    errors: str  # buildbox's own stderr

    def of(self, state: str) -> set[str]:
        """The steps that ended so."""
        return {name for name, found in self.states.items() if found == state}


def run_graph(project: Project, *args: str) -> Run:
    """`buildbox run --json ARGS`."""
    done = project.run("run", "--json", *args)
    events = [json.loads(line) for line in done.out.splitlines()]
    ends = {event["task"]: event for event in events if event["event"] == "end"}
    output = {name: "".join(_texts(events, name)) for name in ends}
    return Run(done.status, {name: end["state"] for name, end in ends.items()}, ends, output, done.err)


def run_well(project: Project, *args: str) -> Run:
    """The same, of a graph that succeeds."""
    run = run_graph(project, *args)
    failed = {name: (run.ends[name]["why"], run.output[name]) for name in run.of("failed")}
    assert run.status == 0, f"{args}: exit status {run.status}\n{failed}\n{run.errors}"
    return run


def digests(root: Path, *patterns: str) -> dict[str, str]:
    """The files below `root` that `patterns` name, by their digests."""
    files = (path for pattern in patterns for path in root.glob(pattern) if path.is_file())
    return {str(path.relative_to(root)): str(Digest.of(path.read_bytes())) for path in sorted(files)}


def _texts(events: Sequence[Mapping[str, Any]], task: str) -> list[str]:
    return [event.get("text", "") for event in events if event["event"] == "output" and event["task"] == task]
