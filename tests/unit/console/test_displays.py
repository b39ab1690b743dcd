from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.console import Console
from buildbox.console.displays import Kept, choose
from buildbox.console.events import JsonDisplay
from buildbox.console.groups import GroupedDisplay
from buildbox.console.live import LiveDisplay
from buildbox.console.plain import PlainDisplay
from buildbox.console.target import Targeted
from tests.support.told import CONSOLE, failed, logs, passed, plan, step, summary, write
from tests.support.values import host

LIVE = replace(CONSOLE, live=True)
GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(
    ("console", "env", "stdout_tty", "alone", "wanted"),
    [
        (CONSOLE, {}, False, False, PlainDisplay),
        (CONSOLE, {"CI": "true"}, True, False, PlainDisplay),
        (CONSOLE, GITHUB, False, False, GroupedDisplay),
        (LIVE, {}, True, False, LiveDisplay),
        (LIVE, {"GITHUB_ACTIONS": "true"}, True, False, LiveDisplay),  # somebody tries it by hand
        (LIVE, {}, False, False, PlainDisplay),  # stdout is what is wanted, of several targets
        (LIVE, {}, False, True, LiveDisplay),  # of one, it gets it by itself
        (replace(LIVE, quiet=True), {}, True, False, PlainDisplay),
        (replace(LIVE, json=True), GITHUB, True, False, JsonDisplay),
    ],
)
def test_each_surrounding_has_its_display(
    console: Console, env: dict[str, str], stdout_tty: bool, alone: bool, wanted: type, tmp_path: Path
) -> None:
    caller = host(tmp_path, env, stdout_tty=stdout_tty)
    assert type(choose(console, caller, logs(tmp_path), alone=alone)) is wanted


@pytest.mark.parametrize("env", [{}, GITHUB])
def test_stdout_is_left_to_the_one_target(
    env: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = logs(tmp_path)
    display = choose(replace(CONSOLE, quiet=True), host(tmp_path, env), kept, alone=True)
    write(display.output(step()), (1, b"text\n"))
    write(kept.log("test"), (1, b"text\n"))
    kept.log("test").close()
    display.ended(step(), passed())
    out, err = capfd.readouterr()
    assert out == ""
    assert "text\n" in err


@pytest.mark.parametrize(
    ("env", "json", "wanted"),
    [
        ({}, False, "test+db | no room\n"),
        (GITHUB, False, "::group::the end of the log of test+db\nno room\n::endgroup::\n"),
        ({}, True, '"task": "test+db", "stream": "stderr", "text": "no room\\n"'),
    ],
)
def test_the_logs_of_services_are_shown_where_a_task_failed(
    env: dict[str, str], json: bool, wanted: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = logs(tmp_path)
    console = replace(CONSOLE, json=json)
    display = Kept(choose(console, host(tmp_path, env), kept, alone=False), kept)
    write(kept.log("test+db"), (1, b"no room\n"))
    write(kept.log("a+db"), (1, b"unseen"))
    kept.log("test+cache")
    display.ended(step("b"), failed("b"))
    display.ended(step("a"), passed("a"))
    assert "room" not in "".join(capfd.readouterr())
    display.ended(step(), failed())
    display.finished(summary(passed("a"), failed()))
    text = "".join(capfd.readouterr())
    assert wanted in text
    assert "unseen" not in text
    assert json or "buildbox: the log of test+db: " in text


@pytest.mark.parametrize("env", [{}, GITHUB])
def test_output_that_was_seen_is_not_shown_again(
    env: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept, target = logs(tmp_path), step()

    class Seen:
        def write(self, stream: int, views: object) -> None:
            pass

    display = Targeted(
        Kept(choose(CONSOLE, host(tmp_path, env), kept, alone=True), kept), "test", Seen(), kept
    )
    display.plan(plan(target))
    display.started(target, 1)
    write(display.output(target), (1, b"seen\n"))
    display.ended(target, failed())
    display.finished(summary(failed()))
    assert capfd.readouterr() == ("", "buildbox: test failed: exit status 2 (3.4s)\n")
    assert b"".join(kept.read("test")) == b"seen\n"


def test_the_quiet_see_by_its_status_that_a_single_task_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    display = PlainDisplay(replace(CONSOLE, quiet=True), logs(tmp_path))
    display.plan(plan(step()))
    display.ended(step(), failed())
    assert capfd.readouterr() == ("", "")


def test_output_that_cannot_be_kept_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kept = logs(tmp_path)
    (tmp_path / f"project/.buildbox/logs/20231114T221320-abc/{step().name}.log").mkdir(parents=True)
    display = Kept(choose(CONSOLE, host(tmp_path), kept, alone=False), kept)
    write(display.output(step()), (1, b"text\n"))
    display.ended(step(), passed())
    assert capfd.readouterr() == (
        "test | text\n",
        "buildbox: test: not all of its output could be kept: Is a directory\nbuildbox: test passed (1.2s)\n",
    )
