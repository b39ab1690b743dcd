"""A recipe in a project's own folder `images`, made by buildbox as its user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILDBOX = (sys.executable, "-m", "buildbox")
RECIPE = """\
format = 1
title = "Own"
description = "A recipe of the project's own"

[debian]
suite = "bookworm"
packages = ["ca-certificates"]

[files]
"/usr/local/bin/greet" = "greet.sh"
"/usr/lib/ssl/certs/laid/in.conf" = "in.conf" # by an absolute link: to the machine's own folder, if followed

[image]
user = "nobody"
workdir = "/work"
env = { GREETING = "hello" }
labels = { "example.team" = "tools" }
"""
TASK = """\
greet
cat /etc/ssl/certs/laid/in.conf
test -L /bin\ntest -L /usr/lib/ssl/certs\n! command -v perldoc
find / -xdev -type f -perm /6000
stat -c '%a %u:%g %Y %n' /usr/local/bin/greet /etc/ssl/certs/laid/in.conf /etc/ssl/certs/laid
"""


def call(project: Path, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """buildbox in `project`, with its own files in `home`."""
    env = {**os.environ, "BUILDBOX_HOME": str(home)}
    return subprocess.run(
        [*BUILDBOX, "-C", str(project), *args],
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a locked recipe `own/1`."""
    project = tmp_path_factory.mktemp("project")
    folder = project / "images/own/1"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "greet.sh").write_text('#!/bin/sh\necho "$GREETING"\n')
    (folder / "greet.sh").chmod(0o755)
    (folder / "in.conf").write_text("laid = in\n")
    (project / ".buildbox.toml").write_text("")
    done = call(project, project / "home", "images", "lock", "own/1")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return project


def test_two_builds_at_once_give_one_image_that_has_what_the_recipe_says(project: Path) -> None:
    home = project / "home"
    env = {**os.environ, "BUILDBOX_HOME": str(home)}
    argv = [*BUILDBOX, "-C", str(project), "--json", "images", "build", "own/1"]
    both = [
        subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in "12"
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    one, other = (json.loads(output) for output, _ in said)
    assert one == other
    assert not Path("/etc/ssl/certs/laid").exists()

    lines = f'[toolchains.own]\nimage = "{one["pin"]}"\n[tasks.look]\nrun = """\n{TASK}"""\n'
    (project / ".buildbox.toml").write_text(lines)
    done = call(project, home, "--offline", "run", "look")
    epoch = 1_783_764_997
    assert done.stdout.splitlines() == [
        "hello",
        "laid = in",
        f"755 0:0 {epoch} /usr/local/bin/greet",
        f"644 0:0 {epoch} /etc/ssl/certs/laid/in.conf",
        f"755 0:0 {epoch} /etc/ssl/certs/laid",
    ], done.stderr
    config = json.loads((home / "archive/blobs/sha256" / one["config"].removeprefix("sha256:")).read_text())
    assert config["config"]["User"] == "nobody"
    assert config["config"]["WorkingDir"] == "/work"
    assert config["config"]["Labels"]["example.team"] == "tools"
    assert config["config"]["Labels"]["buildbox.recipe"] == "own/1"


def test_lock_is_refused_offline(project: Path, tmp_path: Path) -> None:
    done = call(project, tmp_path / "home", "--offline", "images", "lock", "own/1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Leave --offline out" in done.stderr


def test_a_file_that_changed_makes_the_lock_stale(project: Path, tmp_path: Path) -> None:
    conf = project / "images/own/1/in.conf"
    before = conf.read_text()
    conf.write_text("laid = otherwise\n")
    done = call(project, tmp_path / "home", "images", "build", "own/1")
    conf.write_text(before)
    assert (done.returncode, done.stdout) == (2, "")
    assert "stale" in done.stderr
    assert "buildbox images lock own/1" in done.stderr
