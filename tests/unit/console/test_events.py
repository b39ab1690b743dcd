from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.console.displays import Kept
from buildbox.console.events import EVENTS, JsonDisplay
from buildbox.errors import UsageError
from buildbox.schedule.report import Report, State
from tests.support.told import CONSOLE, failed, logs, not_run, passed, plan, step, summary, write
from tests.support.values import PIN


def events(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capfd.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def test_a_run_in_events(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build, test = step("build"), step("test", needs=("build",), hermetic=True)
    kept = logs(tmp_path)
    display = Kept(JsonDisplay(replace(CONSOLE, json=True), kept), kept)
    outcome = failed().outcome
    assert outcome
    display.plan(plan(build, test))
    display.started(build, 1)
    write(display.output(build), (1, "é\n".encode()), (2, b"\xff"))
    display.retrying(build, outcome, 0.5)
    display.started(build, 2)
    display.note(build, "about it")
    display.note(None, "about all")
    display.ended(build, Report("build", State.FAILED, 3.4, 2, replace(outcome, timed_out=True)))
    display.ended(test, not_run("test", "needs build, which failed"))
    display.finished(summary(failed("build"), not_run("test", "")))
    display.close()
    run = f"{tmp_path}/project/.buildbox/logs/20231114T221320-abc"
    found = events(capfd)
    assert found == [
        {
            "event": "plan",
            "targets": ["test"],
            "steps": [
                {"task": "build", "toolchain": "tools", "image": PIN, "needs": [], "hermetic": False},
                {"task": "test", "toolchain": "tools", "image": PIN, "needs": ["build"], "hermetic": True},
            ],
        },
        {"event": "start", "task": "build", "image": PIN, "attempt": 1},
        {"event": "output", "task": "build", "stream": "stdout", "text": "é\n"},
        {"event": "output", "task": "build", "stream": "stderr", "base64": "/w=="},
        {"event": "retry", "task": "build", "attempt": 1, "status": 2, "seconds": 0.5},
        {"event": "start", "task": "build", "image": PIN, "attempt": 2},
        {"event": "note", "task": "build", "text": "about it"},
        {"event": "note", "text": "about all"},
        {
            "event": "end",
            "task": "build",
            "state": "failed",
            "status": 2,
            "seconds": 3.4,
            "attempts": 2,
            "cached": False,
            "timed_out": True,
            "out_of_memory": False,
            "why": None,
            "log": f"{run}/build.log",
        },
        {
            "event": "end",
            "task": "test",
            "state": "not run",
            "status": 0,
            "seconds": 0.0,
            "attempts": 0,
            "cached": False,
            "timed_out": False,
            "out_of_memory": False,
            "why": "needs build, which failed",
            "log": None,
        },
        {
            "event": "summary",
            "status": 2,
            "seconds": 12.0,
            "counts": {"passed": 0, "cached": 0, "failed": 1, "stopped": 0, "not run": 1},
            "failed": ["build"],
            "not_run": ["test"],
            "logs": run,
        },
    ]
    described = set(re.findall(r"\w+", EVENTS))
    assert {key for event in found for key in event} <= described
    assert {event["event"] for event in found} <= described


def test_a_fault_of_buildbox_is_the_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay(CONSOLE, logs(tmp_path))
    display.ended(step(), Report("test", State.FAILED, error=UsageError("outputs are missing", "Make them.")))
    display.ended(step("b"), passed("b"))
    first, second = events(capfd)
    assert (first["status"], first["why"]) == (2, "outputs are missing")
    assert (second["status"], second["state"], second["why"]) == (0, "passed", None)
