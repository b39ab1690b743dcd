from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.console.annotations import of_error, of_step
from buildbox.console.displays import Kept
from buildbox.console.github import annotation
from buildbox.console.groups import GroupedDisplay, ci_marks
from buildbox.console.plain import PlainDisplay
from buildbox.errors import ConfigError, EngineError
from buildbox.schedule.report import State
from tests.support.told import CONSOLE, failed, logs, not_run, passed, plan, step, write

IN_GITHUB = replace(CONSOLE, github=True)


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """What the runner makes of a line, by its own rules (actions/runner, ActionCommand.cs)."""

    def plain(text: str, *more: tuple[str, str]) -> str:
        for escape, character in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
            text = text.replace(escape, character)
        return text

    head, _, message = line.removeprefix("::").removesuffix("\n").partition("::")
    command, _, rest = head.partition(" ")
    pairs = (pair.partition("=") for pair in rest.split(",") if pair)
    values = {name: plain(value, ("%3A", ":"), ("%2C", ",")) for name, _, value in pairs}
    return command, values, plain(message)


def test_an_annotation() -> None:
    line = annotation("error", "50% of a\r\n::warning::b", title="t: x, y=z::", file="a,b:c", line=3)
    assert line == ("::error title=t%3A x%2C y=z%3A%3A,file=a%2Cb%3Ac,line=3::50%25 of a%0D%0A::warning::b\n")
    assert parsed(line) == (
        "error",
        {"title": "t: x, y=z::", "file": "a,b:c", "line": "3"},
        "50% of a\r\n::warning::b",
    )
    assert annotation("warning", "x") == "::warning::x\n"
    assert len(annotation("error", "x" * 9000)) < 4096


@given(st.text(), st.text(), st.text())
def test_whatever_is_in_it_it_is_one_command(text: str, title: str, file: str) -> None:
    line = annotation("error", text, title=title, file=file)
    assert not set(line[:-1]) & set("\r\n")
    command, values, message = parsed(line)
    assert (command, message) == ("error", text)
    assert values == {name: value for name, value in (("title", title), ("file", file)) if value}


def test_a_step_that_failed_and_one_that_failed_at_first() -> None:
    log = b"\33[31mred\33[0m\n::error::fake\n" + b"line\n" * 20
    _, values, text = parsed(of_step(step("a"), failed("a"), log))
    assert values == {"title": "a"}
    assert text == "a failed: exit status 2 (3.4s)\n\n[…]" + "\nline" * 12
    assert "::error::fake" in parsed(of_step(step("a"), failed("a"), log[:30]))[2]
    again = replace(passed("a"), attempts=3)
    assert parsed(of_step(step("a"), again, b"")) == (
        "warning",
        {"title": "a"},
        "a failed at first, and passed at attempt 3",
    )


@pytest.mark.parametrize("state", [State.PASSED, State.CACHED, State.STOPPED, State.NOT_RUN])
def test_steps_that_are_worth_none(state: State) -> None:
    assert of_step(step("a"), replace(passed("a"), state=state), b"text") == ""


def test_what_buildbox_could_not_do_comes_with_what_to_do() -> None:
    report = replace(failed("a"), outcome=None, error=EngineError("the engine is gone", "Start it.\nOr not."))
    assert parsed(of_step(step("a"), report, b""))[2] == "a failed: the engine is gone\nStart it.\nOr not."
    (line,) = of_error(EngineError("no engine", "Start one."))
    assert parsed(line) == ("error", {"title": "buildbox"}, "no engine\nStart one.")


def test_each_problem_of_a_configuration_is_at_its_line() -> None:
    problems = [".buildbox.toml:3: tasks.a: unknown key 'x'", ".buildbox.toml: and 4 more"]
    error = ConfigError("/ws/sub/.buildbox.toml has 5 problems", "", problems)
    assert [parsed(line)[1:] for line in of_error(error)] == [
        (
            {"title": "buildbox", "file": "/ws/sub/.buildbox.toml", "line": "3"},
            "tasks.a: unknown key 'x'",
        ),
        ({"title": "buildbox"}, ".buildbox.toml: and 4 more"),
    ]
    unplaced = ConfigError("a pinned image is older", "", problems[:1])
    assert parsed(of_error(unplaced)[0])[1]["file"] == ".buildbox.toml"


def test_both_displays_annotate_once_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    marks = ci_marks({"GITHUB_ACTIONS": "true"})
    assert marks
    for kind in ("grouped", "plain"):
        (tmp_path / kind).mkdir()
        kept = logs(tmp_path / kind)
        shown = GroupedDisplay(IN_GITHUB, kept, marks) if kind == "grouped" else PlainDisplay(IN_GITHUB, kept)
        display = Kept(shown, kept)
        display.plan(plan(step("b"), step("a")))
        write(display.output(step("a")), (1, b"why\n"))
        display.ended(step("a"), failed("a"))
        display.ended(step("b"), not_run("b", "needs a, which failed"))
        errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("::")]
        assert errors == ["::error title=a::a failed: exit status 2 (3.4s)%0A%0Awhy"], kind


def test_the_console_annotates_errors_and_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    IN_GITHUB.error(EngineError("no engine", "Start one."))
    IN_GITHUB.beware("python: it is old")
    CONSOLE.error(EngineError("no engine"))
    CONSOLE.beware("python: it is old")
    assert capfd.readouterr().err == (
        "buildbox: no engine\n  Start one.\n::error title=buildbox::no engine%0AStart one.\n"
        "buildbox: python: it is old\n::warning title=buildbox::python: it is old\n"
        "buildbox: no engine\nbuildbox: python: it is old\n"
    )
