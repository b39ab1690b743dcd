"""Steps side by side in a real engine: some wait at a gate; what signals and kills do to all of them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.container import NAME_LABEL, RUN_LABEL
from tests.integration.run.conftest import MakeProject
from tests.support.own_engine import own_engine
from tests.support.project import ME, Project

# Each says that it runs by a file of its name.
STEP = """
[tasks.{name}]
run = '''
trap 'echo {name} >> stopped; exit 7' INT TERM
touch {name}
while ! test -e go; do sleep 0.1; done
'''
"""
STUBBORN = "[tasks.stubborn]\nrun = '''\ntrap '' INT TERM\ntouch stubborn\nwhile :; do sleep 1; done\n'''\n"


def steps(names: str) -> str:
    return "".join(STEP.format(name=name) for name in names)


def containers(project: Project) -> dict[str, str]:
    """Step and state ("running", "exited") of the containers of runs that this project's home knows."""
    runs = {path.name for path in (project.home / "runs").glob("*")}
    api = APIClient(project.environment().get("DOCKER_HOST"), version="auto")
    found = api.containers(all=True, filters={"label": RUN_LABEL})
    mine = [item for item in found if item["Labels"][RUN_LABEL] in runs]
    return {item["Labels"][NAME_LABEL].rpartition("-")[2]: item["State"] for item in mine}


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it doesn't happen"
        time.sleep(0.05)


@contextmanager
def under_way(project: Project, *args: str, running: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose steps `running` run."""
    process = project.start("-q", "run", *args, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: all((project.root / name).exists() for name in running.split()) or process.poll())
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(path: Path) -> list[str]:
    return sorted(path.read_text().split())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_all_that_runs(make_project: MakeProject, number: int, status: int) -> None:
    project = make_project(steps("abcd"))
    with under_way(project, "-j", "2", *"abcd", running="a b") as process:
        wait_for(lambda: len(containers(project)) == 4)  # two of them parked
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == status
    assert lines(project.root / "stopped") == ["a", "b"]
    assert not (project.root / "c").exists()
    assert containers(project) == {}
    assert list((project.home / "runs").iterdir()) == []


def test_the_second_ctrl_c_kills(make_project: MakeProject) -> None:
    project = make_project(steps("a") + STUBBORN)
    with under_way(project, "-j", "2", "a", "stubborn", running="a stubborn") as process:
        process.send_signal(signal.SIGINT)
        wait_for((project.root / "stopped").exists)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert containers(project) == {}


def test_what_was_parked_when_buildbox_was_killed_never_runs(make_project: MakeProject) -> None:
    project = make_project(steps("ab") + '[tasks.quick]\nargv = ["true"]\n')
    with under_way(project, "-j", "1", "a", "b", running="a"):
        wait_for(lambda: containers(project).get("b") == "running")  # at its gate
    wait_for(lambda: containers(project)["b"] == "exited")  # by itself
    assert containers(project)["a"] == "running"
    assert not (project.root / "b").exists()
    project.ok("run", "quick")  # sweeps
    assert containers(project) == {}
    assert not (project.root / "b").exists()


def test_parked_steps_run_when_it_is_their_turn(make_project: MakeProject) -> None:
    last = STEP.format(name="last").replace("]\n", ']\nneeds = ["a", "f"]\n', 1)
    project = make_project(steps("abcdef") + last)
    with under_way(project, "-j", "2", *"abcdef", "last", running="a b") as process:
        (project.root / "go").touch()
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert all((project.root / name).exists() for name in (*"abcdef", "last"))
    assert containers(project) == {}


def test_a_failure_and_what_goes_on(make_project: MakeProject) -> None:
    project = make_project("""
[tasks.bad]
run = "exit 9"
[tasks.after]
needs = ["bad"]
run = "touch after"
[tasks.other]
run = "touch other"
[tasks.more]
needs = ["other"]
run = "touch more"
""")
    stopped = project.run("run", "-j", "1", "after", "more")
    assert stopped.status == 9
    assert not (project.root / "after").exists()
    assert not (project.root / "other").exists()
    going = project.run("run", "-j", "1", "--keep-going", "after", "more")
    assert going.status == 9
    assert not (project.root / "after").exists()
    assert (project.root / "more").exists()
    assert containers(project) == {}


def test_a_program_that_is_not_there(make_project: MakeProject) -> None:
    """The status is the same whether the step was parked or not."""
    project = make_project('[tasks.a]\nargv = ["true"]\n[tasks.b]\nargv = ["no-such-program"]\n')
    assert project.run("run", "b").status == 127
    done = project.run("run", "-j", "1", "a", "b")
    assert done.status == 127
    assert "no-such-program" in done.out + done.err


@pytest.mark.skipif(ME.uid != 0, reason="only root can start an engine of its own")
def test_an_engine_that_dies_fails_all_that_runs(make_project: MakeProject, short_folder: Path) -> None:
    """What is left in it can't be removed now, so the run is remembered for the next sweep."""
    project = make_project(steps("abcde"))
    with own_engine(short_folder) as engine:
        project = replace(project, env={**project.env, "DOCKER_HOST": engine.url})
        with under_way(project, "-j", "2", *"abcde", running="a b") as process:
            engine.die()
            _, err = process.communicate(timeout=60)
    assert process.returncode == 120
    assert b"the engine went away" in err
    assert b"Traceback" not in err
    assert not (project.root / "e").exists()
    assert len(list((project.home / "runs").iterdir())) == 1
