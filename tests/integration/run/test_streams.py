"""stdin, stdout and stderr between caller and task, on a real engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.container import RUN_LABEL
from tests.integration.run.conftest import MakeProject

GIGABYTE = 1 << 30
PUMP = """
import hashlib, os, sys
block, total = os.urandom(1 << 20), int(sys.argv[1])
sha = hashlib.sha256()
for _ in range(total >> 20):
    sha.update(block)
    sys.stdout.buffer.write(block)
sys.stderr.write(sha.hexdigest())
"""


def test_streams_are_kept_apart(make_project: MakeProject) -> None:
    result = make_project('[tasks.t]\nrun = "echo out; echo err >&2; echo more"\n').run("run", "t")
    assert (result.status, result.out, result.err) == (0, "out\nmore\n", "err\n")


def memory_peak(pid: int) -> int:
    """The most memory that the process has had so far, in kB; 0 for one that has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def test_a_gigabyte_through_cat(make_project: MakeProject) -> None:
    """Binary-safe, and in flat memory."""
    project = make_project('[tasks.cat]\nargv = ["cat"]\n')
    project.ok("run", "cat")
    source = subprocess.Popen(
        [sys.executable, "-c", PUMP, str(GIGABYTE)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process = project.start("run", "cat", stdin=source.stdout)
    assert source.stdout and process.stdout
    source.stdout.close()
    sha, size, memory = hashlib.sha256(), 0, 0
    while data := process.stdout.read(1 << 20):
        sha.update(data)
        size += len(data)
        memory = memory_peak(process.pid) or memory
    assert process.wait(timeout=60) == 0
    assert size == GIGABYTE
    assert source.stderr and sha.hexdigest() == source.stderr.read().decode()
    source.wait()
    assert 0 < memory < 150_000


def test_every_byte_value_and_no_newline_at_the_end(make_project: MakeProject) -> None:
    project = make_project('[tasks.cat]\nargv = ["cat"]\n[tasks.wc]\nargv = ["wc", "-c"]\n')
    data = bytes(range(256)) * 3 + b"\r\n\x00\xff no newline"
    process = project.start("run", "cat")
    out, err = process.communicate(data, timeout=60)
    assert (out, err, process.returncode) == (data, b"", 0)
    assert project.ok("run", "wc").strip() == "0"


def test_a_task_that_reads_nothing_ends_under_a_full_stdin(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nargv = ["true"]\n')
    process = project.start("run", "t", stdin=os.open("/dev/zero", os.O_RDONLY))
    assert process.wait(timeout=60) == 0


def test_closed_stdin_and_nobody_reading(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "cat; yes"\n')
    script = '"$@" <&- | head -n 1'
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'set -o pipefail; {script}; exit "${{PIPESTATUS[0]}}"',
            "-",
            *project.command("run", "t"),
        ],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == (b"y\n", 141)


def test_an_open_stdin_that_says_nothing_holds_nothing_up(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "echo done"\n')
    process = project.start("run", "t")  # its stdin stays open
    assert process.wait(timeout=30) == 0


def test_a_slow_reader_loses_nothing(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "seq 200000; seq 100 >&2"\n')
    process = project.start("run", "t")
    assert process.stdout and process.stderr
    out = b""
    while part := os.read(process.stdout.fileno(), 20_000):
        out += part
    assert out.split() == [str(number).encode() for number in range(1, 200_001)]
    assert process.stderr.read().split() == [str(number).encode() for number in range(1, 101)]


@pytest.mark.parametrize("status", [0, 1, 2, 3, 42, 120, 124, 125, 126, 127, 128, 130, 137, 254, 255])
def test_exit_status(make_project: MakeProject, status: int) -> None:
    assert make_project(f'[tasks.t]\nrun = "exit {status}"\n').run("run", "t").status == status


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("INT", 2)])
def test_death_by_signal(make_project: MakeProject, name: str, number: int) -> None:
    project = make_project(f'[tasks.t]\nargv = ["sh", "-c", "kill -{name} $$"]\n')
    assert project.run("run", "t").status == 128 + number


def test_a_program_that_is_not_there(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nargv = ["no-such-program", "x"]\n[tasks.d]\nargv = ["/etc"]\n')
    missing, folder = project.run("run", "t"), project.run("run", "d")
    assert (missing.status, folder.status) == (127, 126)
    assert "a program that the toolchain doesn't have" in missing.err
    assert "a program that can't be executed" in folder.err


def test_arguments(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.argv]
argv = ["printf", "[%s]"]
[tasks.line]
run = "printf '[%s]'"
[tasks.named]
run = 'printf "<%s>" "$@"; echo $#'
[tasks.script]
run = '''
echo one
echo two
'''
""",
        toolchain='shell = ["/bin/sh", "-eu", "-c"]',
    )
    words = ("a b", "", "$HOME", "'\"", "-x", "grüße", "*", "--")
    expected = "".join(f"[{word}]" for word in words)
    assert project.ok("run", "argv", "--", *words) == expected
    assert project.ok("run", "line", "--", *words) == expected
    assert project.ok("run", "named", "--", *words) == expected.replace("[", "<").replace("]", ">") + "8\n"
    refused = project.run("run", "script", "--", "x")
    assert refused.status == 2 and "names no" in refused.err
    assert project.run("run", "argv", "line", "--", "x").status == 2


def test_several_tasks_stop_at_the_first_failure(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.one]
run = "echo one"
[tasks.two]
run = "echo two; exit 9"
[tasks.three]
run = "echo three"
"""
    )
    result = project.run("run", "-j", "1", "one", "two", "three")
    assert (result.status, result.out) == (9, "one | one\ntwo | two\n")
    assert "buildbox: one passed" in result.err
    assert "buildbox: two failed: exit status 9" in result.err


def test_json_events(make_project: MakeProject) -> None:
    project = make_project(r"""[tasks.t]
run = "echo out; echo err >&2; printf '\\377'; exit 3"
""")
    result = project.run("--json", "run", "t")
    assert result.status == 3
    events = [json.loads(line) for line in result.out.splitlines()]
    names = [event["event"] for event in events]
    assert (names[:2], names[-2:]) == (["plan", "start"], ["end", "summary"])
    assert events[1]["task"] == events[-2]["task"] == "t"
    assert events[-2]["status"] == events[-1]["status"] == 3
    data = {"stdout": b"", "stderr": b""}
    for event in events[2:-2]:
        data[event["stream"]] += event["text"].encode() if "text" in event else b64decode(event["base64"])
    assert data == {"stdout": b"out\n\xff", "stderr": b"err\n"}


def test_logs_of_the_engine_hold_nothing(make_project: MakeProject) -> None:
    """The output goes through the engine and stays nowhere."""
    project = make_project('[tasks.t]\nargv = ["sleep", "3"]\n')
    process = project.start("run", "t")
    try:
        api = APIClient(project.environment().get("DOCKER_HOST"), version="auto")
        run = ""
        while not run and process.poll() is None:
            run = next((path.name for path in (project.home / "runs").glob("*")), "")
        found: list[dict[str, str]] = []
        while not found and process.poll() is None:
            found = api.containers(filters={"label": f"{RUN_LABEL}={run}"})
        assert api.inspect_container(found[0]["Id"])["HostConfig"]["LogConfig"]["Type"] == "none"
    finally:
        process.wait(timeout=60)
