"""A `.buildbox.toml` that isn't there, isn't one, or is wrong: exit status 2, and the engine isn't asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial, box
from tests.support.refusal import another_user

VERBS = [
    ("list",),
    ("check",),
    ("run", "t"),
    ("pin",),
    ("shell", "box"),
    ("exec", "box", "--", "true"),
]
IMAGE = "registry.example.com/tools:1@sha256:" + "cd" * 32


@pytest.mark.parametrize("line", VERBS, ids=lambda line: line[0])
def test_no_configuration(make_trial: MakeTrial, line: Sequence[str]) -> None:
    trial = make_trial(archived=False)
    trial.file().unlink()
    (trial.project.root / ".git").mkdir()
    says = [f"there is no .buildbox.toml in {trial.project.root}\n", "`buildbox init` writes one", "-C DIR"]
    trial.refused(*line, status=Exit.USAGE, says=says)
    assert trial.engine.asked == []


def test_in_a_folder_above_it_is_found_but_not_past_the_repositorys_top(make_trial: MakeTrial) -> None:
    trial = make_trial()
    deep = trial.project.root / "a" / "b"
    deep.mkdir(parents=True)
    assert trial.project.ok("run", "t", cwd=deep) == "ran\n"
    (trial.project.root / "a" / ".git").mkdir()
    says = f"no .buildbox.toml in {deep} nor in the folders above it up to {trial.project.root / 'a'}"
    trial.refused("run", "t", status=Exit.USAGE, says=says, cwd=deep)


BROKEN: list[tuple[str, Sequence[str]]] = [
    ("[toolchains.box\nimage = 'x'\n", [".buildbox.toml:1:16: not valid TOML: Expected ']'"]),
    ("[tasks.t]\nrun = 'x'\nrun = 'y'\n", [".buildbox.toml:3:", "a key is given twice"]),
    ('[tasks.t]\nrun = "echo\n', [".buildbox.toml:2:", "a string has no closing quote on its line"]),
    ("", ["has no toolchains and no tasks", "`buildbox init` writes one"]),
    ("# nothing but this\n\n", ["has no toolchains and no tasks", "`buildbox init` writes one"]),
    ("version = 2\n", [".buildbox.toml:1: version: version 2 is not known", "newer buildbox"]),
    ("[tasks.t]\nrun = 'x'\n", ["no toolchain for the tasks to run in; add [toolchains.NAME]"]),
    (
        box("UPPER Case:1"),
        [".buildbox.toml:2: toolchains.box.image: "],
    ),
    (
        f"{box(IMAGE)}matrix.toolchain = ['box', 'bxo']\n",
        ["t.matrix.toolchain[1]: there is no toolchain 'bxo'; did you mean 'box'?"],
    ),
    (
        f"{box(IMAGE)}needs = ['u']\n[tasks.u]\nrun = 'x'\nneeds = ['t']\n",
        ["tasks.t.needs[0]: is a cycle: t -> u -> t"],
    ),
    (
        f"{box(IMAGE)}outputs = ['dist/']\n[tasks.u]\nrun = 'x'\noutputs = ['dist/*.whl']\n",
        ["tasks.u.outputs: may be the same files as the outputs of 't' (dist/)"],
    ),
    (
        f"{box(IMAGE)}services = ['db']\nneeds = ['x']\n",
        ["has 2 problems", "there is no service 'db'; add [services.NAME]", "there is no task 'x'"],
    ),
]


@pytest.mark.parametrize(("text", "says"), BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_is_wrong(make_trial: MakeTrial, text: str, says: Sequence[str]) -> None:
    trial = make_trial(text=text, archived=False)
    trial.refused("run", "t", status=Exit.USAGE, says=says)
    assert trial.engine.asked == []


def test_all_errors_are_in_one_report(make_trial: MakeTrial) -> None:
    text = f"""[toolchains.python]
image = "{IMAGE}"
platfrom = "linux/amd64"
[tasks.test]
toolchain = "pyhton"
run = "pytest"
timeout = "10 parsecs"
cpus = "2"
[tasks.build]
artifacts = ["dist/"]
argv = "make"
"""
    trial = make_trial(text=text, archived=False)
    message = trial.refused("check", status=Exit.USAGE, says=f"{trial.file()} has 6 problems")
    argv = "must be an array, not a string; a script for the shell is written as run"
    assert [line.strip() for line in message.splitlines()[1:]] == [
        ".buildbox.toml:3: toolchains.python.platfrom: unknown key 'platfrom'; did you mean 'platform'?",
        ".buildbox.toml:5: tasks.test.toolchain: there is no toolchain 'pyhton'; did you mean 'python'?",
        ".buildbox.toml:7: tasks.test.timeout: '10 parsecs' is not a duration; write e.g. 90s, 10m, 1h30m",
        ".buildbox.toml:8: tasks.test.cpus: must be a number, not a string",
        next(line.strip() for line in message.splitlines() if "tasks.build.artifacts: unknown key" in line),
        f".buildbox.toml:11: tasks.build.argv: {argv}",
    ]


def _folder(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to("gone.toml")


def _link_out(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _latin(path: Path) -> None:
    path.write_bytes(box(IMAGE).encode() + b"# caf\xe9\n")


def _five_megabytes(path: Path) -> None:
    path.write_bytes(box(IMAGE).encode() + b"#" * 5_000_000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_folder, ["is a folder, not a file", "Rename the folder"]),
        (_dangling, ["is a link to gone.toml, which doesn't exist", "or remove the link"]),
        (_link_out, ["is a link that leads out of the project, to /etc/passwd", "Put the file itself there"]),
        (_loop, ["can't be read: Too many levels of symbolic links"]),
        (_pipe, ["is not a regular file"]),
        (_latin, [".buildbox.toml:5: not UTF-8 text", "as UTF-8"]),
        (_five_megabytes, ["is larger than 1 MiB, too large for a configuration"]),
    ],
)
def test_what_is_no_file_to_read(
    make_trial: MakeTrial, make: Callable[[Path], None], says: Sequence[str]
) -> None:
    trial = make_trial(archived=False)
    trial.file().unlink()
    make(trial.file())
    trial.refused("run", "t", status=Exit.USAGE, says=[str(trial.file()), *says])
    assert trial.engine.asked == []


def test_a_file_that_the_caller_may_not_read(make_trial: MakeTrial) -> None:
    trial = make_trial(archived=False).by(another_user())
    trial.file().chmod(0)
    says = [f"{trial.file()} can't be read: Permission denied", "readable for you"]
    trial.refused("run", "t", status=Exit.USAGE, says=says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[allow\n", "config.toml:1:7: not valid TOML"),
        ("[alow.x]\n", "config.toml:1: alow: unknown key 'alow'; did you mean 'allow'?"),
        ("[allow.project]\n", "allow.project: 'project' is not an absolute path"),
    ],
)
def test_the_users_own_configuration(make_trial: MakeTrial, text: str, says: str) -> None:
    trial = make_trial()
    (trial.project.home / "config.toml").write_text(text)
    message = trial.refused("run", "t", status=Exit.USAGE, says=says)
    assert str(trial.project.home / "config.toml") in message
    assert trial.engine.asked == []


def test_init_keeps_what_is_there(make_trial: MakeTrial) -> None:
    trial = make_trial(archived=False)
    says = [f"{trial.file()} is there already", "buildbox init --print"]
    trial.refused("init", status=Exit.USAGE, says=says)
