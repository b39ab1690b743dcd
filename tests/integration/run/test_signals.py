"""Ctrl-C, timeouts, kills: what reaches a task, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.container import RUN_LABEL
from tests.integration.run.conftest import MakeProject
from tests.support.own_engine import own_engine
from tests.support.project import Project

TRAPS = """
[tasks.traps]
run = '''
trap 'echo got INT; exit 40' INT
trap 'echo got TERM; exit 41' TERM
trap 'echo got HUP; exit 42' HUP
trap 'echo got USR1' USR1
echo ready
sleep 100 || sleep 100
'''
[tasks.plain]
run = "echo ready; sleep 100; echo not reached"
[tasks.stubborn]
run = '''
trap '' INT TERM HUP
echo ready
while true; do sleep 1; done
'''
"""


def started(project: Project, task: str) -> subprocess.Popen[bytes]:
    """A run of `task` that has begun."""
    process = project.start("run", task)
    assert process.stdout and process.stdout.readline() == b"ready\n", (
        process.stderr and process.stderr.read()
    )
    return process


def containers(project: Project) -> list[str]:
    """Ids of the containers of runs that this project's buildbox home knows."""
    runs = {path.name for path in (project.home / "runs").glob("*")}
    api = APIClient(project.environment().get("DOCKER_HOST"), version="auto")
    found = api.containers(all=True, filters={"label": RUN_LABEL})
    return [item["Id"] for item in found if item["Labels"][RUN_LABEL] in runs]


@pytest.mark.parametrize(("number", "status"), [(2, 40), (15, 41), (1, 42)])
def test_signal_reaches_the_task(make_project: MakeProject, number: int, status: int) -> None:
    process = started(make_project(TRAPS), "traps")
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == status
    assert out.startswith(b"got ")


@pytest.mark.parametrize(("number", "status"), [(2, 130), (15, 143), (1, 129), (3, 131)])
def test_signal_ends_a_task_that_does_not_care(make_project: MakeProject, number: int, status: int) -> None:
    project = make_project(TRAPS)
    process = started(project, "plain")
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"", status)
    assert containers(project) == []


def test_second_ctrl_c_kills(make_project: MakeProject) -> None:
    process = started(make_project(TRAPS), "stubborn")
    process.send_signal(signal.SIGINT)
    assert process.stderr and b"Ctrl-C again kills it" in process.stderr.readline()
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130


def test_other_signals_pass_too(make_project: MakeProject) -> None:
    process = started(make_project(TRAPS), "traps")
    process.send_signal(signal.SIGUSR1)
    assert process.stdout and process.stdout.readline() == b"got USR1\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 41


def test_timeout(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.slow]
run = "echo begun; sleep 100"
timeout = "1s"
[tasks.tidy]
run = '''
trap 'echo tidied; exit 0' TERM
sleep 100
'''
timeout = "500ms"
[tasks.quick]
run = "exit 5"
timeout = "1m"
"""
    )
    slow = project.run("run", "slow")
    assert (slow.status, slow.out) == (124, "begun\n")
    assert "slow was stopped at its timeout of 1.0s" in slow.err
    tidy = project.run("run", "tidy")
    assert (tidy.status, tidy.out) == (124, "tidied\n")
    assert project.run("run", "quick").status == 5


def test_a_killed_run_is_cleaned_up_by_the_next(make_project: MakeProject) -> None:
    """And another run that is alive isn't touched."""
    project = make_project(TRAPS + '[tasks.quick]\nargv = ["true"]\n')
    alive = started(project, "plain")
    dead = started(project, "plain")
    dead.kill()
    dead.wait()
    assert len(containers(project)) == 2
    project.ok("run", "quick")
    assert len(containers(project)) == 1
    assert alive.poll() is None
    alive.terminate()
    assert alive.wait(timeout=30) == 143
    assert containers(project) == []


def test_clean_removes_what_a_killed_run_left(make_project: MakeProject) -> None:
    project = make_project(TRAPS)
    dead = started(project, "stubborn")
    dead.kill()
    dead.wait()
    assert "removed 1 container of killed runs" in project.run("clean").err
    assert containers(project) == []
    assert '"containers": 0' in project.ok("clean", "--json")


def test_nothing_is_left_after_any_end(make_project: MakeProject) -> None:
    project = make_project('[tasks.ok]\nrun = "true"\n[tasks.bad]\nrun = "false"\n')
    project.ok("run", "ok")
    assert project.run("run", "bad").status == 1
    assert containers(project) == []
    assert list((project.home / "runs").iterdir()) == []


def test_an_ignored_signal_stays_ignored(make_project: MakeProject) -> None:
    """As under nohup, or in the background of a script."""
    project = make_project('[tasks.t]\nrun = "echo ready; sleep 2; echo end"\n')
    command = ["bash", "-c", 'trap "" INT HUP; exec "$@"', "-", *project.command("run", "t")]
    process = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == b"end\n"


def test_an_engine_that_dies(make_project: MakeProject, short_folder: Path) -> None:
    project = make_project(TRAPS)
    with own_engine(short_folder) as engine:
        process = project.start("--engine", engine.url, "run", "stubborn")
        assert process.stdout and process.stdout.readline() == b"ready\n"
        engine.die()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 120
    assert b"buildbox: the engine went away" in err
    assert b"Traceback" not in err
    gone = project.run("--engine", engine.url, "run", "plain")
    assert gone.status == 120
    assert "can't be reached" in gone.err
