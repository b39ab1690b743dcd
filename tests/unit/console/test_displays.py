from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.console import Console
from buildbox.console.displays import choose
from buildbox.console.events import JsonDisplay
from buildbox.console.groups import GroupedDisplay
from buildbox.console.live import LiveDisplay
from buildbox.console.plain import PlainDisplay
from tests.support.told import CONSOLE, logs, passed, step, write
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
