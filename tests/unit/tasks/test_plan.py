from __future__ import annotations

import subprocess

import pytest

from buildbox.errors import UsageError
from buildbox.tasks.plan import find_toolchain, plan_command, plan_tasks
from tests.support.values import DEFAULTS, config, task, toolchain

SH = ("/bin/sh", "-e", "-c")


def argv(args: tuple[str, ...] = (), shell: tuple[str, ...] = SH, **of_the_task: object) -> tuple[str, ...]:
    chosen = config(task("test", **of_the_task), toolchains=(toolchain(shell=shell),))
    return plan_tasks(chosen, ["test"], args).steps["test"].argv


def refusal(*names: str, args: tuple[str, ...] = (), default: tuple[str, ...] = ()) -> UsageError:
    chosen = config(task("test", run="true"), task("lint", run="true"), default=default)
    with pytest.raises(UsageError) as caught:
        plan_tasks(chosen, names, args)
    return caught.value


# arguments, section 3


def test_arguments_are_appended_to_argv() -> None:
    assert argv(("-k", "a b"), argv=("pytest", "-q")) == ("pytest", "-q", "-k", "a b")
    assert argv(argv=("pytest", "-q")) == ("pytest", "-q")


def test_a_script_goes_to_the_shell_with_its_task_as_its_name() -> None:
    assert argv(run="ruff check .") == (*SH, "ruff check .", "test")


def test_a_one_line_script_that_names_no_arguments_gets_them_appended() -> None:
    assert argv(("x",), run=" ruff check .\n") == (*SH, 'ruff check . "$@"', "test", "x")


@pytest.mark.parametrize("naming", ["$@", '"$@"', "$*", "$1", "${1:-all}", "${@}", "${*}", "${@:2}"])
def test_a_script_that_names_its_arguments_is_left_as_it_is(naming: str) -> None:
    for script in (f"make {naming}", f"set -x\nmake {naming}\n"):
        assert argv(("x", "y"), run=script) == (*SH, script, "test", "x", "y")


@pytest.mark.parametrize("naming", ["$HOME", "$$", "$#", "$2", "@", "1"])
def test_what_looks_like_it_names_no_arguments(naming: str) -> None:
    assert argv(("x",), run=f"make {naming}")[3] == f'make {naming} "$@"'


@pytest.mark.parametrize("script", ["make\nmake test", "make # all of it", "# nothing yet"])
def test_arguments_that_would_be_lost_are_refused(script: str) -> None:
    with pytest.raises(UsageError) as caught:
        argv(("x",), run=script)
    assert "'test' takes no arguments" in caught.value.reason
    assert '"$@"' in caught.value.hint
    assert argv(run=script) == (*SH, script, "test")


def test_a_hash_inside_a_word_is_no_comment() -> None:
    assert argv(("x",), run="make target#1")[3] == 'make target#1 "$@"'


@pytest.mark.parametrize(
    "shell", [("bash", "-euo", "pipefail", "-c"), ("busybox", "sh", "-c"), ("/usr/bin/env", "dash", "-c")]
)
def test_shells_of_the_same_family_do_the_same(shell: tuple[str, ...]) -> None:
    assert argv(("x",), shell, run="make") == (*shell, 'make "$@"', "test", "x")


def test_other_interpreters_get_arguments_as_they_expect_them() -> None:
    script = "import sys\nprint(sys.argv[1:])"
    assert argv(("x",), ("python3", "-c"), run=script) == ("python3", "-c", script, "x")
    assert argv((), ("python3", "-c"), run=script) == ("python3", "-c", script)


def test_a_real_shell_understands_it() -> None:
    line = argv(("a b", "$HOME", "'"), run="printf '%s|'")
    assert subprocess.run(line, capture_output=True, check=True).stdout == b"a b|$HOME|'|"
    named = argv((), run='printf "%s" "$0"')
    assert subprocess.run(named, capture_output=True, check=True).stdout == b"test"


def test_arguments_go_to_one_task_only() -> None:
    error = refusal("test", "lint", args=("x",))
    assert "2 are to run: test, lint" in error.reason
    assert "2 are to run" in refusal(args=("x",), default=("lint", "test")).reason


# which tasks


def test_tasks_run_in_the_order_they_are_named_each_once() -> None:
    chosen = config(task("a", run="true"), task("b", run="true"), default=("a",))
    assert list(plan_tasks(chosen, ["b", "a", "b"]).steps) == ["b", "a"]
    assert list(plan_tasks(chosen, []).steps) == ["a"]


def test_without_a_default_a_task_must_be_named() -> None:
    error = refusal()
    assert error.reason == ".buildbox.toml names no default task"
    assert "test, lint" in error.hint
    with pytest.raises(UsageError, match="has no tasks yet"):
        plan_tasks(config(), [])


def test_a_task_that_is_not_there() -> None:
    assert refusal("tset").reason == "there is no task 'tset'"
    assert refusal("tset").hint == "Did you mean 'test'?"
    assert refusal("deploy").hint == "The tasks are: test, lint"
    with pytest.raises(UsageError) as caught:
        plan_tasks(config(), ["x"])
    assert caught.value.hint == "There are no tasks."


def test_a_step_has_its_tasks_toolchain() -> None:
    py, go = toolchain("py"), toolchain("go", shell=("bash", "-c"))
    step = plan_tasks(config(task(toolchain="go", run="x"), toolchains=(py, go)), ["test"]).steps["test"]
    assert step.toolchain == go
    assert step.argv[:2] == ("bash", "-c")


# exec and shell


def test_a_command_by_hand_runs_as_the_defaults_say_without_their_timeout() -> None:
    defaults = task("", toolchain="", env={"A": "1"}, timeout=60.0, memory=1 << 30)
    step = plan_command(config(defaults=defaults), None, ["ls", "-l"], "sub")
    assert (step.name, step.argv, step.toolchain.name) == ("exec", ("ls", "-l"), "tools")
    assert (step.task.workdir, step.task.env, step.task.memory) == ("sub", {"A": "1"}, 1 << 30)
    assert step.task.timeout is None


def test_the_shell_by_hand_is_the_toolchains_without_its_options() -> None:
    chosen = config(toolchains=(toolchain(shell=("bash", "-euo", "pipefail", "-c")),))
    step = plan_command(chosen, "tools", (), ".")
    assert (step.name, step.argv) == ("shell", ("bash",))


def test_which_toolchain() -> None:
    both = config(toolchains=(toolchain("python"), toolchain("go")))
    assert find_toolchain(config(), None).name == "tools"
    assert find_toolchain(both, "go").name == "go"
    with pytest.raises(UsageError) as caught:
        find_toolchain(both, None)
    assert "python, go" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        find_toolchain(both, "pyhton")
    assert caught.value.hint == "Did you mean 'python'?"
    with pytest.raises(UsageError, match="which toolchain"):
        find_toolchain(config(toolchains=()), None)


def test_the_default_toolchain_is_the_one_that_the_defaults_name() -> None:
    chosen = config(toolchains=(toolchain("python"), toolchain("go")), defaults=task("", toolchain="go"))
    assert find_toolchain(chosen, None).name == "go"
    assert DEFAULTS.toolchain == ""
