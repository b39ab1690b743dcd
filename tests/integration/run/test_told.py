"""What a run leaves for CI systems to show, however it ends, in a real engine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml, TestCase

from tests.integration.graph.test_faults import started, wait_for
from tests.integration.run.conftest import MakeProject
from tests.integration.run.test_tty import in_terminal
from tests.support.project import DOCKER_SOCKET, Project

TASKS = r"""
[tasks.good]
run = "echo fine"
[tasks.bad]
run = "printf '\\033[31mred\\033[0m\\n````\\n]]>&<x>\\000\\377\\n::error::mine\\n'; exit 7"
[tasks.late]
needs = ["bad"]
run = "true"
[tasks.flaky]
retries = 1
run = "test -e flag || { touch flag; exit 1; }"
[tasks.hermetic]
hermetic = true
inputs = [".buildbox.toml"]
run = "echo kept"
[tasks.hang]
run = "echo begun; exec sleep 60"
[tasks.after]
needs = ["hang"]
run = "true"
[tasks.swap]
run = "rm -r out; ln -s ../victim out"
"""


def cases(path: Path) -> dict[str, TestCase]:
    """The test cases of a file, by name."""
    (suite,) = JUnitXml.fromfile(str(path))
    return {case.name: case for case in suite}


def states(path: Path) -> dict[str, str]:
    """passed, Failure, Error or Skipped, by the name of the test case."""
    return {
        name: type(case.result[0]).__name__ if case.result else "passed" for name, case in cases(path).items()
    }


def in_github(project: Project, **more: str) -> Project:
    page = {"GITHUB_STEP_SUMMARY": str(project.home / "page.md")}
    return replace(project, env={"CI": "true", "GITHUB_ACTIONS": "true", **page, **more})


def test_a_graph_in_github(make_project: MakeProject) -> None:
    project = in_github(make_project(TASKS))
    tasks = ("good", "late", "flaky", "hermetic")
    told = ("--junit", "out/junit.xml", "--summary", "summary.md")
    result = project.run("run", "-k", "-j", "3", *told, *tasks)
    assert result.status == 7
    assert states(project.root / "out/junit.xml") == {
        "good": "passed",
        "bad": "Failure",
        "late": "Skipped",
        "flaky": "passed",
        "hermetic": "passed",
    }
    failure = cases(project.root / "out/junit.xml")["bad"].result[0]
    assert failure.text.split("\n")[1:] == ["red", "````", "]]>&<x>\ufffd", "::error::mine"]
    summary = (project.root / "summary.md").read_text()
    assert summary.startswith("### project: 3 passed, 1 failed, 1 not run (")
    assert "\n`````text\nred\n````\n]]>&<x>\ufffd\n::error::mine\n`````\n" in summary
    assert (project.home / "page.md").read_text() == f"{summary}\n"
    # What a task prints goes through as it is; what buildbox makes of it is one line of its own.
    assert "\n::error::mine\n" in result.out
    commands = [line for line in result.err.splitlines() if line.startswith("::")]
    assert len(commands) == 2
    assert any(line.startswith("::error title=bad::bad failed: exit status 7 (") for line in commands)
    assert "::warning title=flaky::flaky failed at first, and passed at attempt 2" in commands

    again = project.run("run", "--junit", "junit.xml", "hermetic")
    assert again.status == 0
    assert "cached" in str(cases(project.root / "junit.xml")["hermetic"].system_out)
    assert (project.home / "page.md").read_text().count("### project: ") == 2


def test_a_single_task_has_the_callers_streams_all_the_same(make_project: MakeProject) -> None:
    project = in_github(make_project(TASKS))
    result = project.run("run", "--junit", "junit.xml", "bad", input=b"")
    assert result.status == 7
    assert result.out.startswith("\33[31mred")
    assert "::error title=bad::bad failed: exit status 7" in result.err
    assert states(project.root / "junit.xml") == {"bad": "Failure"}
    assert project.run("run", "--junit", "junit.xml", "good").out == "fine\n"
    assert states(project.root / "junit.xml") == {"good": "passed"}
    assert "| good | ✅ passed |" in (project.home / "page.md").read_text()


def test_in_gitlab(make_project: MakeProject) -> None:
    project = replace(make_project(TASKS), env={"CI": "true", "GITLAB_CI": "true"})
    result = project.run("run", "-k", "good", "bad")
    assert "section_start:" in result.out
    assert "\33[1m\33[31mbuildbox:\33[0m bad failed: exit status 7" in result.err
    assert "::error title" not in result.err
    assert "\33" not in project.run("--color", "never", "run", "-k", "good", "flaky").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("task", ["hang", "after"])
def test_interrupted(make_project: MakeProject, task: str, number: signal.Signals) -> None:
    project = make_project(TASKS)
    report = project.root / "junit.xml"
    project.write({"junit.xml": "of an earlier run"})
    process = project.start("run", "--junit", "junit.xml", task, stdin=subprocess.DEVNULL)
    wait_for(lambda: started(project, "hang") or process.poll() is not None)
    assert not report.exists()  # whoever kills us finds nothing old there
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    wanted = {"hang": "Error", "after": "Skipped"}
    assert states(report) == {name: state for name, state in wanted.items() if name in ("hang", task)}
    assert "begun" in cases(report)["hang"].result[0].text


@contextmanager
def detour(path: Path) -> Iterator[list[socket.socket]]:
    """A socket at `path` that leads to the engine; the sockets that it takes to do so."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    sockets = [server]

    def forward(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                pair = (server.accept()[0], socket.socket(socket.AF_UNIX))
                sockets.extend(pair)
                pair[1].connect(str(DOCKER_SOCKET))
                for way in (pair, pair[::-1]):
                    threading.Thread(target=forward, args=way, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield sockets
    finally:
        cut(sockets)
        path.unlink()


def cut(sockets: list[socket.socket]) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("task", ["hang", "after"])
def test_the_engine_goes_away(make_project: MakeProject, short_folder: Path, task: str) -> None:
    project = make_project(TASKS, env={"DOCKER_HOST": f"unix://{short_folder}/e"})
    with detour(short_folder / "e") as sockets:
        process = project.start("run", "--junit", "junit.xml", task, stdin=subprocess.DEVNULL)
        wait_for(lambda: started(project, "hang") or process.poll() is not None)
        cut(sockets)
        errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 120, errors
    wanted = {"hang": "Error", "after": "Skipped"}
    assert states(project.root / "junit.xml") == {
        name: state for name, state in wanted.items() if name in ("hang", task)
    }
    assert cases(project.root / "junit.xml")["hang"].result[0].type == "engine"
    with detour(short_folder / "e"):  # the same way again: the next run removes what was left there
        assert project.run("run", "good").status == 0


def test_no_engine_at_all(make_project: MakeProject, short_folder: Path) -> None:
    project = in_github(make_project(TASKS), DOCKER_HOST=f"unix://{short_folder}/nothing")
    project.write({"junit.xml": "of an earlier run"})
    result = project.run("run", "--junit", "junit.xml", "good", "flaky")
    assert result.status == 120
    assert "Error" in states(project.root / "junit.xml").values()
    assert "::error " in result.err
    assert "can't be reached" in (project.home / "page.md").read_text()


def test_a_file_that_cannot_be_written(make_project: MakeProject) -> None:
    project = make_project(TASKS)
    (project.root.parent / "victim").mkdir()
    result = project.run("run", "--junit", "out/junit.xml", "swap")
    assert result.status == 2
    assert "buildbox: --junit: " in result.err and "/out/junit.xml can't be written: " in result.err
    assert list((project.root.parent / "victim").iterdir()) == []
    (project.root / "out").unlink()
    before = project.run("run", "--junit", "flag/x/junit.xml", "--summary", "s", "bad")
    assert before.status == 7  # folders are made
    project.write({"file": ""})
    assert project.run("run", "--summary", "file/s.md", "bad").status == 2  # before anything ran
    assert project.run("run", "--summary", "s.md", "--dry-run", "bad").status == 2
    assert project.run("run", "--summary", "s.md", "--watch", "bad").status == 2


def test_problems_of_the_configuration_are_annotations_at_their_lines(make_project: MakeProject) -> None:
    project = in_github(make_project("[tasks.x]\nrun = 'true'\nbogus = 1"))
    result = project.run("check")
    assert result.status == 2
    file = project.root / ".buildbox.toml"
    line = file.read_text().split("\n").index("bogus = 1") + 1
    (command,) = [found for found in result.err.splitlines() if found.startswith("::")]
    assert command.startswith(f"::error title=buildbox,file={file},line={line}::tasks.x")
    assert "unknown key 'bogus'" in command


@pytest.mark.parametrize(("env", "drawn"), [({"CI": "true"}, False), ({"CI": "false"}, True)])
def test_nothing_is_drawn_in_ci_though_a_terminal_is_there(
    make_project: MakeProject, env: dict[str, str], drawn: bool
) -> None:
    """For one task as for several, and for what it needs."""
    project = make_project('[tasks.a]\nrun = "sleep 1"\n[tasks.b]\nneeds = ["a"]\nrun = "echo b"\n', env=env)
    for tasks in (("a", "b"), ("b",)):
        with in_terminal(project, "run", *tasks) as (terminal, process):
            assert process.wait(timeout=60) == 0
            seen = os.read(terminal.master, 1 << 16)
        assert b"2 passed" in seen
        assert (b"\x1b[?25l" in seen) == drawn


def test_a_file_in_the_project_is_no_input_of_the_next_run(make_project: MakeProject) -> None:
    project = make_project("[tasks.t]\nhermetic = true\nrun = 'true'\n")
    for word in ("passed", "cached"):
        assert project.run("run", "--junit", "junit.xml", "--summary", "s.md", "t").status == 0
        assert f" {word} |" in (project.root / "s.md").read_text()
