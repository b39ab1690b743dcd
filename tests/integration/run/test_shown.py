"""What a person sees of a graph, and what is kept of it, in a real engine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.container import RUN_LABEL
from tests.integration.run.conftest import MakeProject
from tests.integration.run.test_tty import in_terminal
from tests.support.project import Caller, Project

TASKS = r"""
[tasks.good]
run = "echo one; echo two >&2; printf three"
[tasks.bad]
needs = ["good"]
run = "printf 'last\\377words'; exit 7"
[tasks.late]
needs = ["bad"]
run = "true"
[tasks.sleep]
run = "echo asleep; exec sleep 60"
[tasks.flood]
run = "head -c 150000000 /dev/zero"
"""
TOKEN = "t0ken-that-nobody-may-see"
SECRETS = """
[tasks.tell]
secrets = ["TOKEN"]
run = '''
cat /run/secrets/TOKEN
echo
printf 't0ken-that-'; sleep 0.2; printf 'nobody-may-see\\n' >&1
stat -f -c %T /run/secrets/TOKEN >&2
touch told
while ! test -e go; do sleep 0.05; done
'''
[tasks.also]
run = "true"
[tasks.save]
secrets = ["TOKEN"]
run = "cp /run/secrets/TOKEN saved"
[tasks.leak]
needs = ["save"]
run = "cat saved; echo"
"""


def log(project: Project, name: str) -> bytes:
    """The log of the step `name` in the only run that there was."""
    (run,) = (project.root / ".buildbox/logs").iterdir()
    return (run / f"{name}.log").read_bytes()


def test_plain_lines_and_whole_logs(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(TASKS, caller=caller)
    result = project.run("run", "late", "good")
    assert result.status == 7
    assert result.out == "good | one\ngood | three\nbad | last\ufffdwords\n"
    lines = result.err.splitlines()
    assert [line for line in lines if " | " in line] == ["good | two"]
    assert any(line.startswith("buildbox: bad failed: exit status 7") for line in lines)
    assert "buildbox: not run (needs bad, which failed): late" in lines
    assert log(project, "bad") == b"last\xffwords"
    # Which of the two streams comes first is up to the engine.
    assert log(project, "good").replace(b"two\n", b"") == b"one\nthree"
    (run,) = (project.root / ".buildbox/logs").iterdir()
    assert run.stat().st_uid == caller.uid


def test_events(make_project: MakeProject) -> None:
    result = make_project(TASKS).run("--json", "run", "late", "good")
    events = [json.loads(line) for line in result.out.splitlines()]
    kinds = [event["event"] for event in events if event["event"] != "output"]
    assert kinds == ["plan", "start", "end", "start", "end", "end", "summary"]
    ends = {event["task"]: event for event in events if event["event"] == "end"}
    assert [ends[name]["state"] for name in ("good", "bad", "late")] == ["passed", "failed", "not run"]
    assert (ends["bad"]["status"], events[-1]["status"], result.status) == (7, 7, 7)
    assert Path(ends["bad"]["log"]).read_bytes() == b"last\xffwords"


def test_a_graph_on_a_terminal_gives_it_back(make_project: MakeProject) -> None:
    with in_terminal(make_project(TASKS), "run", "sleep", "good") as (terminal, process):
        terminal.expect(b"\x1b[?25l")  # the cursor is hidden: something is drawn
        terminal.expect(b"asleep")
        terminal.type(b"\x03")
        assert process.wait(timeout=30) == 130
        terminal.expect(b"\x1b[?25h")
        terminal.expect(b"sleep was stopped")
        assert b"\x1b[?25l" not in terminal.seen


def test_a_flood_is_kept_in_part_and_given_on_whole(make_project: MakeProject) -> None:
    project = make_project(TASKS)
    process = project.start("-q", "run", "flood")
    assert process.stdout
    count = 0
    while data := process.stdout.read(1 << 20):
        count += len(data)
    process.communicate()
    assert (process.returncode, count) == (0, 150_000_000)
    kept = log(project, "flood")
    assert 60 << 20 < len(kept) <= (64 << 20) + 100
    assert kept.strip(b"\0").endswith(b"bytes of output are left out here\n")


@pytest.mark.parametrize(
    "options", [("run", "tell"), ("run", "tell", "also"), ("--json", "run", "tell", "also")]
)
def test_a_secret_is_seen_by_its_task_only(make_project: MakeProject, options: tuple[str, ...]) -> None:
    project = make_project(SECRETS, env={"TOKEN": TOKEN})
    process = project.start(*options)
    try:
        end = time.monotonic() + 60
        while not (project.root / "told").exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        client = APIClient(version="auto")
        runs = {path.name for path in (project.home / "runs").glob("*")}
        mine = [
            item
            for item in client.containers(filters={"label": RUN_LABEL})
            if item["Labels"][RUN_LABEL] in runs
        ]
        assert mine
        assert all(TOKEN not in json.dumps(client.inspect_container(item["Id"])) for item in mine)
    finally:
        (project.root / "go").touch()
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert TOKEN not in f"{out!r}{err!r}"
    assert (out + err).count(b"***") == 2
    assert b"tmpfs" in out + err
    assert log(project, "tell").count(b"***\n") == 2
    assert TOKEN.encode() not in log(project, "tell")
    left = [name.name for name in Path("/dev/shm").iterdir() if any(run in name.name for run in runs)]
    assert left == []


def test_a_secret_is_masked_in_what_other_tasks_print(make_project: MakeProject) -> None:
    project = make_project(SECRETS, env={"TOKEN": TOKEN})
    result = project.run("run", "leak")
    assert (result.status, result.out) == (0, "***\n")
    assert (project.root / "saved").read_text() == TOKEN
    assert project.run("run", "leak", "also").out == "leak | ***\n"


def test_missing_secrets_are_told_before_anything_starts(make_project: MakeProject) -> None:
    result = make_project(SECRETS).run("run", "also", "tell")
    assert result.status == 2
    assert result.err.startswith("buildbox: a secret can't be had: TOKEN is not set\n")
    assert result.out == ""
