"""Files that a hostile repository might bring, each with what it must be answered (tests/unit/hostile).

The comments at the top of a file are its expectation, the rest is the configuration:
`# problem: TEXT` load refuses it (lines are counted behind the comments), `# wrong: TEXT` the task can't
run whatever is allowed, `# refused: TEXT|TEXT` the user would have to allow it, with `# allow: OPTIONS`.
`{root}`, `{outside}`, `{home}`, `{run}` and `{socket}` stand for paths of the test.
"""

from __future__ import annotations

import os
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildbox.config.load import load
from buildbox.config.user import Allowance, load_user
from buildbox.errors import ConfigError, NotAllowed
from buildbox.trust import Bounds, ResolvedMount, check_service, check_task

FILES = sorted((Path(__file__).parent / "hostile").glob("*.toml"))
PIN = "registry.example.com/tools:1@sha256:" + "0123456789abcdef" * 4


@dataclass(frozen=True)
class World:
    """A project, and what lies around it."""

    root: Path
    outside: Path
    home: Path
    run: Path
    socket: Path

    @property
    def user_config(self) -> Path:
        return self.home / "config.toml"

    def filled(self, text: str) -> str:
        for name in ("root", "outside", "home", "run", "socket"):
            text = text.replace(f"{{{name}}}", str(getattr(self, name)))
        return text

    def check(self, text: str, allowance: Allowance) -> tuple[ResolvedMount, ...]:
        file = self.root / ".buildbox.toml"
        file.write_text(text)
        config = load(file)
        bounds = Bounds(self.root, allowance, (self.socket,), self.user_config)
        for service in config.services.values():
            check_service(service, bounds)
        return check_task(config.tasks["t"], bounds)


def _listen(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.fixture
def world(tmp_path: Path) -> World:
    root, outside, home, run = (tmp_path / name for name in ("project", "outside", "home", "run"))
    stage = root / ".buildbox" / "stage"
    for folder in (
        root / "backend",
        root / "links",
        root / ".git" / "hooks",
        stage,
        outside / "secret",
        home,
        run,
    ):
        folder.mkdir(parents=True)
    (tmp_path / "project-private").mkdir()
    _listen(run / "engine.sock")
    _listen(outside / "agent.sock")
    os.mkfifo(root / "pipe")
    links = root / "links"
    (links / "socket").symlink_to(run / "engine.sock")
    (links / "out").symlink_to("../../outside")
    (links / "git").symlink_to("../.git/hooks")
    (links / "loop").symlink_to("loop")
    (links / "absolute").symlink_to(root / "backend")
    return World(root, outside, home, run, run / "engine.sock")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_hostile_file_gets_nothing(file: Path, world: World) -> None:
    lines = file.read_text().splitlines(keepends=True)
    expected = dict(line[2:].rstrip("\n").split(": ", 1) for line in lines if line.startswith("# "))
    text = world.filled("".join(line for line in lines if not line.startswith("# ")))
    text += f'[toolchains.tools]\nimage = "{PIN}"\n'
    with pytest.raises((ConfigError, NotAllowed)) as caught:
        world.check(text, Allowance())
    error = caught.value
    if "refused" not in expected:
        assert isinstance(error, ConfigError)
        wanted = expected.get("problem") or expected["wrong"]
        assert any(problem.startswith(wanted) for problem in error.problems), error.problems
        return
    assert isinstance(error, NotAllowed)
    reasons = world.filled(expected["refused"]).split("|")
    assert all(reason in error.reason for reason in reasons), error.reason
    options = world.filled(expected["allow"])
    assert error.hint.endswith(f"or allow it this once: {options}")
    # Both ways that the message names let the task run, and nothing less does.
    given = [option for option in shlex.split(options) if option != "--allow"]
    world.check(text, Allowance().plus(given))
    for left_out in given:
        with pytest.raises(NotAllowed):
            world.check(text, Allowance().plus([option for option in given if option != left_out]))
    world.user_config.write_text(error.hint.split("\n\n")[1])
    world.check(text, load_user(world.user_config, world.home).allowance(world.root))


def test_the_files_cover_every_kind_of_answer() -> None:
    kinds = {
        line.split(":")[0] for file in FILES for line in file.read_text().splitlines() if line[:2] == "# "
    }
    assert kinds == {"# problem", "# wrong", "# refused", "# allow"}
