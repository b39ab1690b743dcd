"""Graphs that are killed, whose engine dies, whose tasks do their worst, and that make no sense."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.run.conftest import MakeProject
from tests.support.graphs import run_graph, run_well
from tests.support.own_engine import own_engine
from tests.support.project import ME, Project

SERVICE = """
[services.idle]
image = "{pin}"
argv = ["sleep", "1000"]
ready = "true"
"""
# `slow` waits for ever unless the file `fast` is there.
GRAPH = """
[tasks.made]
hermetic = true
inputs = ["source"]
outputs = ["made"]
run = "cat source > made; cat /proc/sys/kernel/random/uuid >> made"
[tasks.slow]
needs = ["made"]
hermetic = true
inputs = ["fast", "!never"]
outputs = ["slow"]
run = "echo begun; test -e fast || sleep 1000; cat made > slow"
{more}
"""
QUIET = ("-q", "--color", "never")


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it doesn't happen"
        time.sleep(0.05)


def docker(*args: str, url: str = "") -> list[str]:
    """The lines that a docker command prints."""
    where = ["--host", url] if url else []
    return subprocess.run(
        ["docker", *where, *args], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def runs(project: Project) -> list[str]:
    """The ids of runs that are alive, or died."""
    return sorted(path.name for path in (project.home / "runs").glob("*"))


def left(run: str, url: str = "") -> list[str]:
    """What the engine has of a run."""
    mine = ("--filter", f"label=buildbox.run={run}")
    return [
        *docker("ps", "-aq", *mine, url=url),
        *docker("network", "ls", "-q", *mine, url=url),
        *docker("volume", "ls", "-q", *mine, url=url),
    ]


def started(project: Project, step: str) -> bool:
    """Whether the step has written something; its log is there from then on."""
    logs = project.root.glob(f".buildbox/logs/*/{step}.log")
    return any(path.stat().st_size for path in logs)


@contextmanager
def under_way(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the graph, whose step `slow` waits."""
    process = project.start(*QUIET, "run", "slow", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: started(project, "slow") or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1].decode()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_killed_in_the_middle(make_project: MakeProject) -> None:
    project = make_project("")
    pin = (project.root / ".buildbox.toml").read_text().split('"')[1]
    file = f'[toolchains.box]\nimage = "{pin}"\n' + GRAPH.format(more='services = ["idle"]')
    project.write({".buildbox.toml": file + SERVICE.format(pin=pin), "source": "one\n"})
    with under_way(project) as process:
        (run,) = runs(project)
        assert len(left(run)) >= 3  # the step, its service, their network
        process.send_signal(signal.SIGKILL)
        process.wait()
    made = (project.root / "made").read_text()

    project.write({"fast": ""})
    again = run_well(project, "slow")
    assert again.states == {"made": "cached", "slow": "passed"}
    assert (project.root / "slow").read_text() == made
    assert left(run) == []
    assert list((project.root / ".buildbox/stage").glob("*")) == []
    assert run_well(project, "slow").of("cached") == {"made", "slow"}


@pytest.mark.skipif(ME.uid != 0, reason="only root can start an engine of its own")
def test_engine_dies_in_the_middle(make_project: MakeProject, short_folder: Path) -> None:
    project = make_project(GRAPH.format(more=""))
    project.write({"source": "one\n"})
    with own_engine(short_folder) as engine:
        project = replace(project, env={**project.env, "DOCKER_HOST": engine.url})
        with under_way(project) as process:
            (run,) = runs(project)
            engine.die()
            assert process.wait(60) == 120
    made = (project.root / "made").read_text()
    assert not (project.root / "slow").exists()

    project.write({"fast": ""})
    for left_over in ("pid", "exec/containerd/containerd.pid"):  # as /run is empty after a power cut
        (short_folder / left_over).unlink(missing_ok=True)
    with own_engine(short_folder) as engine:
        assert run_well(project, "slow").states == {"made": "cached", "slow": "passed"}
        assert (project.root / "slow").read_text() == made
        assert left(run, engine.url) == []


def test_much_output(make_project: MakeProject) -> None:
    project = make_project('[tasks.much]\nhermetic = true\nrun = "head -c 300000000 /dev/zero"\n')
    process = project.start(*QUIET, "run", "much", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    size, memory = 0, ""
    while piece := process.stdout.read(1 << 20):
        size += len(piece)
        if size < 290_000_000:  # the largest so far; a child's rusage has that of pytest, which it came from
            memory = Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    assert (process.wait(60), size) == (0, 300_000_000)
    assert 0 < int(memory) < 150 << 10  # KiB
    kept = (path for top in (project.root, project.home) for path in top.rglob("*") if path.is_file())
    assert max(path.stat().st_size for path in kept) < 80 << 20
    (log,) = project.root.glob(".buildbox/logs/*/much.log")
    assert log.stat().st_size > 1 << 20


def test_forks_without_end(make_project: MakeProject) -> None:
    script = "( while :; do sleep 1000 & done ) || :; exec sleep 1000"
    project = make_project(f'[tasks.forks]\nrun = "{script}"\npids = 64\ntimeout = "3s"\n')
    before = time.monotonic()
    run = run_graph(project, "forks")
    assert (run.status, run.states) == (124, {"forks": "failed"})
    assert "fork" in run.output["forks"]  # the shell's complaint
    assert time.monotonic() - before < 30
    assert runs(project) == []


def test_many_tasks_at_once(make_project: MakeProject) -> None:
    names = [f"t{number}" for number in range(100)]
    tasks = "".join(f'[tasks.{name}]\nhermetic = true\ninputs = []\nrun = "echo {name}"\n' for name in names)
    project = make_project(f"{tasks}[tasks.all]\nneeds = {names}\nrun = 'true'\n")
    process = project.start(*QUIET, "run", "-j", "8", "all", stdout=subprocess.DEVNULL)
    threads = [0]

    def ended() -> bool:
        try:
            threads.append(len(list(Path(f"/proc/{process.pid}/task").iterdir())))
        except FileNotFoundError:
            pass
        return process.poll() is not None

    wait_for(ended, 240)
    assert process.returncode == 0, process.communicate()[1]
    assert 1 < max(threads) < 100
    assert run_well(project, "all").of("cached") == set(names)


def test_an_output_that_isnt_made(make_project: MakeProject) -> None:
    project = make_project("""
[tasks.hermetic]
hermetic = true
outputs = ["here", "dist/*.whl"]
run = "touch here"
[tasks.mounted]
outputs = ["there", "out/"]
run = "touch there"
""")
    run = run_graph(project, "--keep-going", "hermetic", "mounted")
    assert run.status != 0
    assert run.of("failed") == {"hermetic", "mounted"}
    assert "dist/*.whl" in run.ends["hermetic"]["why"]
    assert "out/" in run.ends["mounted"]["why"]
    assert not (project.root / "here").exists()


def test_inputs_that_match_nothing(make_project: MakeProject) -> None:
    tasks = '[tasks.one]\nhermetic = true\ninputs = ["source", "misspelt/**"]\nrun = "cat source"\n'
    project = make_project(tasks)
    project.write({"source": "one\n"})
    done = project.run("run", "one")
    assert (done.status, done.out) == (0, "one\n")
    assert "misspelt/**" in done.err


@pytest.mark.parametrize("second", ["out/file", "out/**", "o*/fi?e"])
def test_overlapping_outputs(make_project: MakeProject, second: str) -> None:
    project = make_project(f"""
[tasks.first]
outputs = ["out/"]
run = "mkdir out"
[tasks.second]
outputs = ["{second}"]
run = "touch out/file"
""")
    done = project.run("run", "first")
    assert done.status == 2
    assert "first" in done.err
    assert "second" in done.err
    assert not (project.root / "out").exists()


def test_a_matrix_with_an_unknown_toolchain(make_project: MakeProject) -> None:
    project = make_project('[tasks.test]\nrun = "true"\nmatrix.toolchain = ["box", "bux"]\n')
    done = project.run("run", "test")
    assert done.status == 2
    assert "bux" in done.err
    assert "did you mean 'box'" in done.err
