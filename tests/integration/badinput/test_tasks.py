"""Tasks that ask for what isn't there: mounts, folders, networks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial

NETWORK = "tests-no-such-network"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            'mounts = [{ source = "data", target = "/data" }]\n',
            ["tasks.t.mounts[0]: the source 'data' doesn't exist", "/project/data)"],
        ),
        ('workdir = "nowhere"\n', ["tasks.t.workdir: there is no folder 'nowhere' in the project"]),
        (
            'mounts = [{ source = ".buildbox.toml", target = "/src/made/here" }]\n',
            ["for the target '/src/made/here' the project needs a file"],
        ),
    ],
)
def test_what_is_not_there(make_trial: MakeTrial, more: str, says: Sequence[str]) -> None:
    trial = make_trial(more)
    trial.refused("run", "t", status=Exit.USAGE, says=["task 't' can't run", *says])
    trial.refused("check", status=Exit.USAGE, says=says)
    assert trial.engine.changes == []


def test_a_later_tasks_fault_stops_the_first(make_trial: MakeTrial) -> None:
    trial = make_trial('[tasks.later]\nrun = "true"\nworkdir = "nowhere"\n')
    trial.refused("run", "t", "later", status=Exit.USAGE, says="task 'later' can't run")
    assert trial.engine.changes == []


def test_more_than_the_engine_has(make_trial: MakeTrial) -> None:
    trial = make_trial("cpus = 60000\n[tasks.warm]\nrun = 'true'\n")
    trial.project.ok("run", "warm")
    result = trial.project.run("run", "t")
    assert (result.status, result.out) == (Exit.ENGINE, "")
    first, what_to_do = result.err.splitlines()
    assert first.startswith(
        "buildbox: the engine couldn't create a container: Range of CPUs is from 0.01 to "
    )
    assert what_to_do == "  Correct what is asked of the engine there: the task's limits, user or mounts."


def test_a_network_that_the_engine_lacks(make_trial: MakeTrial) -> None:
    """Only the engine knows, so the container is there already; it is removed."""
    trial = make_trial(f'network = "{NETWORK}"\n[tasks.warm]\nrun = "true"\n')
    trial.project.ok("run", "warm")
    result = trial.project.run("run", "--allow", f"network={NETWORK}", "t")
    assert (result.status, result.out) == (Exit.ENGINE, "")
    assert result.err.splitlines() == [
        f"buildbox: the engine has no network '{NETWORK}', which the task is to run in",
        f"  Create it: docker network create {NETWORK}",
        "  or correct the task's `network`; `docker network ls` tells what there is.",
    ]
    assert trial.engine.left == 0, trial.engine.asked
