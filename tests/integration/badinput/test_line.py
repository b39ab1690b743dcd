"""Wrong lines: exit status 2, with what was probably meant, and the engine isn't asked."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial

MORE = '[tasks.test]\nrun = "true"\n[tasks.lint]\nrun = "true"\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run tset", ["there is no task 'tset'", "Did you mean 'test'?"]),
        ("run deploy", ["there is no task 'deploy'", "The tasks are: t, test, lint"]),
        ("run test deploy", ["there is no task 'deploy'"]),  # and test isn't run first
        ("run", ["names no default task", "Name one: t, test, lint"]),
        ("run test lint -- x", ["arguments after -- go to a single task"]),
        ("run test -x name", ["no such option: -x", "goes behind --: buildbox run test -- -x name"]),
        ("exec bax -- true", ["there is no toolchain 'bax'", "Did you mean 'box'?"]),
        ("exec box", ["exec needs a command after --"]),
        ("exec -it box sh", ["goes behind --: buildbox exec box -- sh"]),
        ("shell python", ["there is no toolchain 'python'", "The toolchains are: box"]),
        ("pin bax", ["there is no toolchain 'bax' in .buildbox.toml", "Did you mean 'box'?"]),
        ("rnu test", ["no such command 'rnu'; did you mean 'run'?", "See `buildbox --help`."]),
        ("--colour never list", ["no such option: --colour; did you mean --color?"]),
        ("--color x run test", ["--color x: there is no such choice", "auto, always or never"]),
        ("run --nope test", ["no such option: --nope", "See `buildbox run --help`."]),
        ("run test -C", ["option '-C' requires an argument"]),
        ("run --allow host test", ["--allow host: nothing that can be allowed", "network=NAME"]),
        ("run --allow mount=data test", ["'data' is not an absolute path"]),
        ("-C /no/such/folder run test", ["there is no folder /no/such/folder", "-C takes the project's"]),
        ("-C .buildbox.toml run test", [".buildbox.toml is not a folder", "-C takes the project's folder"]),
        ("--engine docker run test", ["--engine: 'docker' is not an engine's address", "unix:///path"]),
        ("--engine tcp://host:port run test", ["--engine: 'tcp://host:port' is not an engine's address"]),
        ("images build pyton/3.11", ["there is no recipe 'pyton/3.11'", "Did you mean 'python/3.11'?"]),
    ],
)
def test_a_wrong_line(make_trial: MakeTrial, line: str, says: Sequence[str]) -> None:
    trial = make_trial(MORE)
    trial.refused(*line.split(), status=Exit.USAGE, says=says)
    assert trial.engine.asked == []


def test_with_json_a_failure_has_no_document(make_trial: MakeTrial) -> None:
    make_trial().refused("--json", "run", "x", status=Exit.USAGE, says="there is no task 'x'")


def test_quiet_is_quiet_about_all_but_failures(make_trial: MakeTrial) -> None:
    make_trial().refused("-q", "run", "x", status=Exit.USAGE, says="there is no task 'x'")


def test_a_current_folder_that_was_removed(make_trial: MakeTrial) -> None:
    project = make_trial().project
    gone = project.root / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *project.command("run", "t")],
        cwd=gone,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith(f"buildbox: there is no folder {gone}\n")
    assert "change to another" in done.stderr
