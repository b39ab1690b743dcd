"""The command line around the verbs: options anywhere, one place for everything that goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from buildbox import __version__
from buildbox.cli.main import _bug, _console
from buildbox.cli.parser import _needed
from buildbox.cli.words import VERBS, settle
from tests.support.values import PIN, host

ROOT = Path(__file__).parents[3]
CONFIG = f"""
[toolchains.tools]
image = "{PIN}"
[tasks.test]
run = "true"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".buildbox.toml").write_text(CONFIG)
    return folder


def surroundings(folder: Path) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "BUILDBOX_HOME": str(folder.parent / "own"),
        "HOME": str(folder.parent),
        "PATH": os.defpath,
    }


def buildbox(folder: Path, *line: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command; `shell` are redirections."""
    command = [sys.executable, "-m", "buildbox", *line]
    if shell:
        command = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.run(
        command, cwd=folder, env=surroundings(folder), capture_output=True, text=True, check=False
    )


# the words of the line


@pytest.mark.parametrize(
    ("line", "options", "words", "args"),
    [
        ("run test", "", "run test", None),
        ("run test -q", "-q", "run test", None),
        ("run test -C sub --json", "-C sub --json", "run test", None),
        ("--engine unix:///x run test", "--engine unix:///x", "run test", None),
        ("run --engine=unix:///x test --color=never", "--engine=unix:///x --color=never", "run test", None),
        ("list -Csub", "-Csub", "list", None),
        ("run test -- -q --json", "", "run test", "-q --json"),
        ("run -- -k x -- y", "", "run", "-k x -- y"),
        ("run test --", "", "run test", ""),
        ("exec tools -v -- ls -C x", "-v", "exec tools", "ls -C x"),
        ("pin -- -q", "", "pin -- -q", None),
        ("run -q -C", "-q -C", "", None),  # its value is missing, and the verb isn't it
        ("", "", "", None),
    ],
)
def test_global_options_may_stand_anywhere_before_the_arguments(
    line: str, options: str, words: str, args: str | None
) -> None:
    expected = (options.split(), words.split(), None if args is None else tuple(args.split()))
    assert settle(line.split()) == expected


def test_a_call_loads_only_the_verb_it_names() -> None:
    assert _needed(["run", "list"]) == ["run"]
    assert _needed(["tset"]) == VERBS
    assert _needed(["--version"]) == ()


def test_a_folder_named_like_a_verb(project: Path) -> None:
    project.rename(project.parent / "run")
    done = buildbox(project.parent, "-C", "run", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "test" in done.stdout


@pytest.mark.parametrize(
    ("options", "env", "tty", "color", "live"),
    [
        ([], {}, True, True, True),
        ([], {}, False, False, False),
        ([], {"NO_COLOR": "1"}, True, False, True),
        ([], {"TERM": "dumb"}, True, False, False),
        ([], {"CI": "true"}, True, True, False),
        (["--color", "always"], {"NO_COLOR": "1"}, False, True, False),
        (["--color=never"], {}, True, False, True),
        (["--color"], {}, True, True, True),
    ],
)
def test_color(
    options: list[str], env: dict[str, str], tty: bool, color: bool, live: bool, tmp_path: Path
) -> None:
    console = _console(host(tmp_path, env, stderr_tty=tty), options)
    assert (console.color, console.live) == (color, live)


@pytest.mark.parametrize(
    ("options", "env", "read", "color"),
    [
        ([], {"GITHUB_ACTIONS": "true"}, True, True),
        ([], {"GITLAB_CI": "true"}, True, True),
        ([], {"GITLAB_CI": "true"}, False, False),  # a file, where nobody wants them
        ([], {"CI": "true"}, True, False),  # one that we know nothing of
        ([], {"GITLAB_CI": ""}, True, False),
        ([], {"GITLAB_CI": "true", "NO_COLOR": "1"}, True, False),
        ([], {"GITLAB_CI": "true", "TERM": "dumb"}, True, False),
        (["--color=never"], {"GITLAB_CI": "true"}, True, False),
    ],
)
def test_logs_of_ci_systems_have_colors_though_no_terminal_is_there(
    options: list[str], env: dict[str, str], read: bool, color: bool, tmp_path: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from buildbox.cli.main import _console\n"
        "from tests.support.values import host\n"
        f"found = _console(host(Path({str(tmp_path)!r}), {env!r}, stderr_tty=False), {options!r})\n"
        "print(found.color, found.color_out, found.live, found.github)"
    )
    with open(os.devnull, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if read else nobody,
            text=True,
            check=True,
        )
    assert done.stdout.split() == [str(color), "False", "False", str("GITHUB_ACTIONS" in env)]


# what goes wrong


def test_version(project: Path) -> None:
    done = buildbox(project, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"buildbox {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run --qqq", "buildbox: no such option: --qqq\n  See `buildbox run --help`."),
        ("run --alow root test", "buildbox: no such option: --alow; did you mean --allow?\n"),
        ("run test -x y", "goes behind --: buildbox run test -- -x y\n"),
        ("exec -C . tools ls -l", "goes behind --: buildbox -C . exec tools -- ls -l\n"),
        ("exec -it tools sh -i", "goes behind --: buildbox exec tools -- sh -i\n"),
        ("shell tools -- ls", "goes behind --: buildbox exec tools -- ls\n"),
        ("rnu test", "buildbox: no such command 'rnu'; did you mean 'run'?\n  See `buildbox --help`."),
        ("run tset", "buildbox: there is no task 'tset'\n  Did you mean 'test'?"),
        ("list extra", "buildbox: too many arguments: extra\n"),
        ("list --color blue", "--color blue: there is no such choice\n  Write auto, always or never."),
        ("list --engine", "buildbox: option '--engine' requires an argument\n"),
        ("exec tools", "buildbox: exec needs a command after --"),
        ("list -C /no/such/folder", "buildbox: there is no folder /no/such/folder"),
        ("run --engine docker test", "buildbox: --engine: 'docker' is not an engine's address"),
    ],
)
def test_a_wrong_line_is_2_and_told_without_a_traceback(project: Path, line: str, says: str) -> None:
    done = buildbox(project, *line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_bug_is_125_and_names_a_log(project: Path) -> None:
    """A verb that fails as no verb should, in the place of `list`."""
    script = (
        "import sys, types\nfrom buildbox.cli.main import run_line\n"
        "def show(): raise RuntimeError('never thought of')\n"
        "verb = types.ModuleType('buildbox.cli.list')\n"
        "verb.add_to = lambda app: app.command(name='list')(show)\n"
        "sys.modules[verb.__name__] = verb\n"
        "sys.exit(run_line(['list']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=surroundings(project), capture_output=True, text=True
    )
    assert done.returncode == 125
    first, second = done.stderr.splitlines()
    assert first == "buildbox: this is a bug in buildbox: RuntimeError: never thought of"
    log = Path(second.rpartition(" ")[2]).read_text()
    assert log.startswith(f"buildbox {__version__}, Python ")
    assert "verb: list" in log
    assert "Traceback" in log


def test_a_bug_where_no_log_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    told = _bug(host(tmp_path), ["run", "secret"], RuntimeError("x"))
    assert "RuntimeError: x" in told.hint
    assert "secret" not in told.hint


def test_no_engine_is_120(project: Path) -> None:
    done = buildbox(project, "run", "test", "--engine", "unix:///no/such.sock")
    assert (done.returncode, done.stdout) == (120, "")
    assert done.stderr.startswith("buildbox: the engine at unix:///no/such.sock (--engine) can't be reached")


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        (signal.SIGINT, 130, "buildbox: interrupted\n"),
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
    ],
)
def test_a_signal_while_it_waits_for_an_engine(
    project: Path, number: signal.Signals, status: int, says: str
) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as mute:
        mute.bind(str(project.parent / "s"))  # in the project it would be refused
        mute.listen()
        mute.settimeout(20)
        with subprocess.Popen(
            [sys.executable, "-m", "buildbox", "run", "test", "--engine", f"unix://{project.parent}/s"],
            cwd=project,
            env=surroundings(project),
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                connection, _ = mute.accept()
                process.send_signal(number)
                _, err = process.communicate(timeout=20)
            finally:
                process.kill()
            connection.close()
    assert (process.returncode, err) == (status, says)


# streams of the caller's that are odd


@pytest.mark.parametrize("shell", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_bug(project: Path, shell: str) -> None:
    done = buildbox(project, "list", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_stdout_is_told(project: Path) -> None:
    done = buildbox(project, "list", shell="> /dev/full")
    assert done.returncode == 2
    assert done.stderr == "buildbox: there is no space left for what buildbox has to say on stdout\n"


def test_a_reader_that_went_away_is_141(project: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "buildbox", "list"],
            cwd=project,
            env=surroundings(project),
            stdout=nobody,
            stderr=subprocess.PIPE,
        )
    assert (done.returncode, done.stderr) == (141, b"")
