from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildbox.console.displays import Kept
from buildbox.console.groups import GroupedDisplay, ci_marks
from buildbox.schedule.report import Report, State
from tests.support.told import QUIET, failed, logs, not_run, passed, step, write

START = "\33[0Ksection_start:N:a_b"
END = "\33[0Ksection_end:N:a_b\r\33[0K\n"
GITHUB = {"GITHUB_ACTIONS": "true"}


def shown(env: dict[str, str], folder: Path, report: Report, *writes: tuple[int, bytes]) -> None:
    marks = ci_marks(env)
    assert marks
    kept = logs(folder)
    display = Kept(GroupedDisplay(QUIET, kept, marks), kept)
    write(display.output(step(report.step)), *writes)
    display.ended(step(report.step), report)
    kept.close()


@pytest.mark.parametrize(
    ("env", "folded", "open"),
    [
        (
            GITHUB,
            "::group::a/b passed (1.2s)\nx\ny\n::endgroup::\n",
            "a/b failed: exit status 2 (3.4s)\nx\ny\n",
        ),
        (
            {"GITLAB_CI": "true"},
            f"{START}[collapsed=true]\r\33[0Ka/b passed (1.2s)\nx\ny\n{END}",
            f"{START}\r\33[0Ka/b failed: exit status 2 (3.4s)\nx\ny\n{END}",
        ),
        (
            {"TF_BUILD": "True"},
            "##[group]a/b passed (1.2s)\nx\ny\n##[endgroup]\n",
            "##[section]a/b failed: exit status 2 (3.4s)\nx\ny\n",
        ),
        (
            {"BUILDKITE": "true"},
            "--- a/b passed (1.2s)\nx\ny\n",
            "+++ a/b failed: exit status 2 (3.4s)\nx\ny\n",
        ),
    ],
)
def test_a_group_for_each_step(
    env: dict[str, str], folded: str, open: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown(env, tmp_path, passed("a/b"), (1, b"x\n"), (2, b"y\n"))
    assert re.sub(r":\d{10}:", ":N:", capfd.readouterr().out) == folded
    (tmp_path / "other").mkdir()
    shown(env, tmp_path / "other", failed("a/b"), (1, b"x\n"), (2, b"y"))
    assert re.sub(r":\d{10}:", ":N:", capfd.readouterr().out) == open


def test_a_title_is_one_line_and_no_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown(GITHUB, tmp_path, Report("50%0A[A=\r::error::x\n\33[0K]", State.CACHED))
    assert capfd.readouterr().out == "::group::50%250A[A= ::error::x [0K] cached (0.0s)\n::endgroup::\n"


def test_no_group_without_a_ci_system_that_has_them() -> None:
    assert ci_marks({"CI": "true", "GITLAB_CI": ""}) is None


def test_output_goes_through_as_it_is(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    shown(GITHUB, tmp_path, passed(), (1, b"\xff\0\33[31mred\r"), (2, b"::warning::x"))
    assert capfdbinary.readouterr().out == (
        b"::group::test passed (1.2s)\n\xff\0\33[31mred\r::warning::x\n::endgroup::\n"
    )


def test_steps_without_output_and_steps_that_were_not_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown(GITHUB, tmp_path, not_run("a", "needs b, which failed"))
    assert capfd.readouterr() == ("", "")
    shown(GITHUB, tmp_path, passed("a"))
    assert capfd.readouterr().out == "::group::a passed (1.2s)\n::endgroup::\n"
