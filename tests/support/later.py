"""A year later: another user in another place, a clock that is ahead, no network, few programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.own_engine import OwnEngine
from tests.support.project import REPOSITORY, Caller, Project, let_others_pass

DAYS = 366
_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
_TOOLS = ("env", "setpriv")  # that take part in the call itself
# libfaketime 0.9.10 takes what it adds to the clock off a sleep until a time of another clock, too.
_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


@dataclass(frozen=True)
class Heir(Caller):
    """Another user, without a network, whose clock is ahead. Only root can call as them."""

    uid: int = 34567
    gid: int = 34567

    def command(self, command: Sequence[str]) -> list[str]:
        assert _LIBRARY, "libfaketime isn't installed"
        # Only here: what root's process would share with others of its clock, another user can't open.
        clock = ["env", f"LD_PRELOAD={_LIBRARY}", f"FAKETIME=+{DAYS}d"]
        # What was written a year ago stays a year old; what waits does so by the real clock.
        clock += ["NO_FAKE_STAT=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
        return [_find("unshare"), "--net", *super().command([*clock, *command])]


HEIR = Heir()


@contextmanager
def a_year_later(folder: Path, engine: OwnEngine, tools: Sequence[str] = ()) -> Iterator[Project]:
    """An empty folder, with an empty home, of somebody who has `tools` and may use `engine`."""
    let_others_pass(folder)
    programs = folder / "bin"
    programs.mkdir()
    for name in (*_TOOLS, *tools):
        (programs / name).symlink_to(_find(name))
    for path, mode in ((engine.socket.parent, 0o755), (engine.socket, 0o666)):
        path.chmod(mode)
    (programs / "sitecustomize.py").write_text(_SLEEP)
    env = {
        "PATH": str(programs),
        "DOCKER_HOST": engine.url,
        "PYTHONPATH": f"{programs}:{REPOSITORY}",
    }
    project = Project(folder / "elsewhere", folder / "home", HEIR, env, patience=300)
    for each in (project.root, project.home):
        each.mkdir()
    project.own()
    try:
        yield project
    finally:
        for path in Path("/dev/shm").glob("*faketime_*"):  # which libfaketime leaves there
            if path.stat().st_uid == HEIR.uid:
                path.unlink()


def ask(project: Project, script: str) -> str:
    """What a Python script prints where `project`'s caller calls buildbox."""
    command = project.caller.command([sys.executable, "-c", script])
    done = subprocess.run(
        command, cwd=project.root, env=project.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def give(source: Path, project: Project, to: Path) -> None:
    """A copy of a file or folder for the caller of `project`."""
    subprocess.run(["cp", "-R", "--no-preserve=mode,ownership", str(source), str(to)], check=True)
    owner = f"{project.caller.uid}:{project.caller.gid}"
    subprocess.run(["chown", "-hR", owner, str(to)], check=True)


def _find(program: str) -> str:
    found = shutil.which(program)
    assert found, program
    return found
