"""Repositories that want more than their folder: refused with exit status 2, nothing made in the engine.

tests/unit/test_hostile.py has many more files of the kind; here a few go all the way.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial, box
from tests.support.project import DOCKER_SOCKET
from tests.support.refusal import Trial

WANTS = 'mounts = [{{ source = "{}", target = "/x" }}]\n'


def furnish(trial: Trial) -> Path:
    """What the hostile files below need around them; gives a folder outside the project."""
    outside = trial.project.root.parent / "outside"
    (outside / "secret").mkdir(parents=True)
    root = trial.project.root
    (root / "out").symlink_to(outside)
    (root / "socket").symlink_to(DOCKER_SOCKET)
    (root / "inside").mkdir()
    return outside


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (WANTS.format("/"), ["'/' gives it the engine's socket", "and with that the whole machine"]),
        (WANTS.format(DOCKER_SOCKET), ["gives it the engine's socket"]),
        (WANTS.format("socket"), ["'socket' (", "gives it the engine's socket"]),
        (WANTS.format("out/secret"), ["'out/secret' (", "/outside/secret) lies outside the project"]),
        (WANTS.format("inside/../../outside"), ["lies outside the project"]),
        (
            WANTS.format("/proc/self/root/etc"),
            ["'/proc/self/root/etc' (/etc) lies outside the project"],
        ),
        (WANTS.format("/etc/shadow"), ["'/etc/shadow' lies outside the project"]),
        ('network = "host"\n', ["tasks.t.network: the host's own network"]),
        ('user = "root"\nrootfs = "writable"\n', ["tasks.t: root (user) in a writable root file"]),
        ('pass-env = ["NPM_TOKEN"]\n', ["NPM_TOKEN, which by its name is a credential of yours"]),
    ],
)
def test_what_only_the_user_may_grant(make_trial: MakeTrial, more: str, says: Sequence[str]) -> None:
    """Neither run nor check gives it; both ways that the message names do."""
    trial = make_trial(more)
    furnish(trial)
    message = trial.refused(
        "run", "t", status=Exit.USAGE, says=["task 't' wants what this project isn't allowed", *says]
    )
    assert trial.engine.changes == []
    trial.refused("check", status=Exit.USAGE, says=says)
    table, once = message.partition(":\n\n")[2].split("\n\n")
    options = shlex.split(once.partition("this once: ")[2])
    assert trial.project.ok("run", *options, "t") == "ran\n"
    (trial.project.home / "config.toml").write_text(table)
    assert trial.project.ok("run", "t") == "ran\n"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('workdir = "out"\n', "tasks.t.workdir: 'out' is a link that leads out of the project"),
        ('workdir = "../outside"\n', "has '..' in it; a task works inside its project"),
        (WANTS.format("/dev/null"), "is a device or a pipe, which no task gets"),
        ('network = "container:other"\n', "'container:other' is not a network"),
        ("privileged = true\n", "tasks.t.privileged: unknown key 'privileged'"),
        ('[tasks."--privileged"]\nrun = "true"\n', "'--privileged' is not a name"),
        ('[tasks."$(touch owned)"]\nrun = "true"\n', "'$(touch owned)' is not a name"),
        ('[tasks."../../t"]\nrun = "true"\n', "'../../t' is not a name"),
        ('[toolchains."-v /:/x"]\nimage = "x"\n', "'-v /:/x' is not a name"),
        ('[toolchains.x]\nimage = "--privileged"\n', "toolchains.x.image: "),
        ('[allow."/"]\nroot = true\n', "allow: unknown key 'allow'"),
    ],
)
def test_what_nobody_can_grant(make_trial: MakeTrial, more: str, says: str) -> None:
    trial = make_trial(more)
    furnish(trial)
    (trial.project.home / "config.toml").write_text(
        f'[allow."{trial.project.root}"]\nmounts = ["/"]\nnetwork = ["host"]\nroot = true\ngit = true\n'
    )
    trial.refused("run", "t", status=Exit.USAGE, says=says)
    assert trial.engine.changes == []
    assert not (trial.project.root / "owned").exists()


def test_an_image_without_a_digest_is_not_a_way_out(make_trial: MakeTrial) -> None:
    trial = make_trial(text=box("tests/busybox:1"))
    trial.refused("run", "t", status=Exit.IMAGE, says="not pinned")
    assert trial.engine.changes == []


def test_a_git_file_that_points_at_anothers_repository(make_trial: MakeTrial) -> None:
    """It is seen as the file that it is, and what it names isn't."""
    trial = make_trial('[tasks.look]\nrun = "cat .git; ls /run/buildbox/git || ls -d $(cut -c9- .git)"\n')
    other = trial.project.root.parent / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (trial.project.root / ".git").write_text(f"gitdir: {other}/.git\n")
    result = trial.project.run("run", "look")
    assert result.status == 1
    assert result.out == f"gitdir: {other}/.git\n"
    assert result.err.count("No such file or directory") == 2


def test_a_config_of_the_project_allows_nothing(make_trial: MakeTrial) -> None:
    """Not under the names that the user's own has, nor where the user's own lies in the project."""
    trial = make_trial('network = "host"\n')
    root = trial.project.root
    allow = f'[allow."{root}"]\nnetwork = ["host"]\n'
    for name in ("config.toml", ".config/buildbox/config.toml", "buildbox/config.toml"):
        trial.project.write({name: allow})
    trial.refused("run", "t", status=Exit.USAGE, says="the host's own network")
    says = [f"your own configuration {root}/config.toml lies in the project's folder", "Keep one of them"]
    trial.with_env(BUILDBOX_HOME=str(root)).refused("check", status=Exit.USAGE, says=says)
    assert trial.engine.changes == []


def test_the_engines_socket_in_the_projects_folder(make_trial: MakeTrial) -> None:
    trial = make_trial()
    place = trial.project.root / "sub"
    place.mkdir()
    link = place / "link"
    link.symlink_to(trial.engine.socket)
    assert trial.project.ok("run", "t") == "ran\n"  # a link leads nowhere in the container
    engine = trial.engine.socket.parent
    (engine / ".buildbox.toml").write_text(trial.file().read_text())
    try:
        says = [f"the project's folder {os.path.realpath(engine)} holds the engine's socket"]
        trial.engine.asked.clear()
        trial.refused("run", "t", status=Exit.USAGE, says=says, cwd=engine)
        assert trial.engine.changes == []
    finally:
        (engine / ".buildbox.toml").unlink()
