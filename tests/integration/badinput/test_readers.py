"""Readers that have seen enough (`buildbox run … | head -1`), and callers that have nothing to read."""

from __future__ import annotations

import subprocess

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial, box
from tests.support.project import keep_image
from tests.support.refusal import Trial
from tests.support.tiny_image import tiny_image

ENDLESS = """
[tasks.yes]
run = "yes"
[tasks.deaf]
run = "trap '' TERM INT HUP PIPE; while true; do echo x; sleep 0.1; done"
[tasks.kept]
hermetic = true
run = "yes"
outputs = ["never"]
[tasks.served]
services = ["db"]
run = "yes"
[tasks.cat]
run = "cat; echo read"
[tasks.kept-cat]
hermetic = true
run = "cat; echo read"
"""
SERVICE = '[services.db]\nimage = "{pin}"\nargv = ["sleep", "1000"]\nready = "true"\n'


@pytest.fixture
def endless(make_trial: MakeTrial) -> Trial:
    """A project whose tasks go on writing."""
    trial = make_trial()
    pin = keep_image(trial.project.home, tiny_image(), "tests/busybox:1")
    trial.file().write_text(box(pin) + ENDLESS + SERVICE.format(pin=pin))
    return trial


@pytest.mark.parametrize(
    "line",
    [
        "run deaf",
        "run kept",
        "run served",
        "run yes deaf",
        "--json run yes deaf",
    ],
)
def test_a_reader_that_has_seen_enough_ends_it_all(endless: Trial, line: str) -> None:
    process = endless.project.start(*line.split())
    assert process.stdout and process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == Exit.BROKEN_PIPE
    assert process.stderr and b"Traceback" not in process.stderr.read()
    endless.left_nothing()


@pytest.mark.parametrize(
    ("line", "closed", "read"),
    [
        ("run cat", "<&-", 1),
        ("run -j2 cat kept-cat", "<&-", 2),
        ("shell", "<&-", 0),
        ("run kept-cat", "<&- >&- 2>&-", 0),
    ],
)
def test_nothing_to_read_and_no_terminal(endless: Trial, line: str, closed: str, read: int) -> None:
    """As CI systems and services start programs."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *endless.project.command(*line.split())],
        cwd=endless.project.root,
        env={**endless.project.environment(), "CI": "true"},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("read\n") == read
    endless.left_nothing()
