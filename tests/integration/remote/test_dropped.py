"""A connection that breaks in the middle of a task, and what becomes of the task over there."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from buildbox.engine.dialing import dialling
from buildbox.engine.find import Address
from buildbox.errors import Exit
from tests.integration.remote.conftest import Elsewhere, MakeProject
from tests.support.project import Project
from tests.support.relayed import Relay, relay

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another engine takes root to start")
TASKS = """
[tasks.long]
hermetic = true
inputs = []
services = ["web"]
outputs = ["made"]
run = "echo begun > made; echo begun; sleep 40; echo ended"
[services.web]
image = "{pin}"
run = "echo up; sleep 100"
[tasks.short]
hermetic = true
inputs = []
run = "true"
"""


@pytest.fixture
def between(elsewhere: Elsewhere) -> Iterator[Relay]:
    """What stands between buildbox and the engine."""
    with relay(elsewhere.socket) as found:
        yield found


def dropped(
    elsewhere: Elsewhere, between: Relay, project: Project, meanwhile: Callable[[], None]
) -> tuple[str, float]:
    """What buildbox says when the connection is lost, and after how long; `meanwhile` is done then."""
    process = project.start("--engine", between.url, "run", "long")
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    assert elsewhere.docker("ps", "-q", "--filter", "label=buildbox.run")
    begun = time.monotonic()
    meanwhile()
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.ENGINE, err.decode()
    assert not (project.root / "made").exists()
    return err.decode(), time.monotonic() - begun


def test_nothing_goes_on_when_the_connection_comes_back(
    elsewhere: Elsewhere, between: Relay, make_project: MakeProject
) -> None:
    """Later, after some tries; what was to be heard of the task meanwhile is lost, so it failed."""
    project = make_project(TASKS)

    def for_a_while() -> None:
        between.cut(lets_in=False)
        time.sleep(2)
        between.lets_in = True

    err, seconds = dropped(elsewhere, between, project, for_a_while)
    assert seconds < 20
    assert elsewhere.left() == []
    assert err.count("failed: the engine went away") + err.count("failed: the connection") == 1
    assert "may be left" not in err


def test_output_that_ends_before_its_task_is_no_end(
    elsewhere: Elsewhere, between: Relay, make_project: MakeProject
) -> None:
    """The connection is back at once: all that tells is that the task runs on, or that the question
    whether it does, which is asked at once, was cut as well."""
    project = make_project(TASKS)
    err, seconds = dropped(elsewhere, between, project, lambda: between.cut(lets_in=True))
    output, question = "it ended before the task did", "it was asked to wait for a container"
    assert (output in err) != (question in err)
    assert seconds < 20
    assert elsewhere.left() == []


def test_what_could_not_be_removed_is_told_and_removed_by_the_next_run(
    elsewhere: Elsewhere, between: Relay, make_project: MakeProject
) -> None:
    project = make_project(TASKS)
    err, seconds = dropped(elsewhere, between, project, lambda: between.cut(lets_in=False))
    assert 5 < seconds < 25
    assert "what this run made there may be left; the next run there removes it" in err
    assert elsewhere.left() != []
    between.lets_in = True
    project.ok("--engine", between.url, "run", "short")
    assert elsewhere.left() == []


@pytest.mark.parametrize("request_", [b"-short ", b"-volumes-"])
def test_what_was_made_unheard_is_removed_too(
    elsewhere: Elsewhere, between: Relay, make_project: MakeProject, request_: bytes
) -> None:
    """The answer is lost that tells of the container."""
    between.cuts_after = request_
    failed = make_project(TASKS).run("--engine", between.url, "run", "short")
    assert failed.status == Exit.ENGINE
    assert between.cuts_after == b""
    assert failed.err.count("the engine went away") == 1
    assert elsewhere.left() == []


@pytest.mark.parametrize("silence", [30, 3])
def test_a_machine_that_is_gone_without_a_word_is_noticed(between: Relay, silence: int) -> None:
    with dialling(Address(between.url, "the test"), silence)() as found:
        kept = [found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        idle, interval, count = (found.getsockopt(socket.IPPROTO_TCP, name) for name in names)
    assert kept == [1]
    assert silence * 0.6 <= idle + interval * count <= silence * 1.4
