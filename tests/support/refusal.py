"""What every failure of buildbox must be: a documented status, one message, nothing else, nothing left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.errors import Exit
from tests.support.project import STRANGER, Caller, Project
from tests.support.watched import WatchedEngine

# Started by root, so that all that is imported can be read; what buildbox does, it does as the other user.
_AS_ANOTHER = """
import importlib, os, pkgutil, sys
import buildbox, docker, requests, rich.progress, typer
for package in (buildbox, typer):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(("__main__", "_winconsole")):
            importlib.import_module(module.name)
uid, gid, groups, *argv = sys.argv[1:]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(int(gid))
os.setuid(int(uid))
sys.argv = ["buildbox", *argv]
from buildbox.cli.main import main
main()
"""


@dataclass(frozen=True)
class Unprivileged(Caller):
    """A caller with no rights but those of its uid, also where the tests run as root."""

    groups: tuple[int, ...] = ()

    def command(self, command: Sequence[str]) -> list[str]:
        """`command`, which is Python, -m, buildbox and arguments."""
        if self.uid == os.getuid():
            return list(command)
        python, _, _, *args = command
        groups = ",".join(map(str, self.groups))
        return [python, "-c", _AS_ANOTHER, str(self.uid), str(self.gid), groups, *args]


def another_user(*groups: int) -> Unprivileged:
    """A user who is not root, in these groups beside its own."""
    if os.getuid() != 0:
        return Unprivileged(os.getuid(), os.getgid())
    return Unprivileged(STRANGER, STRANGER, groups)


@dataclass(frozen=True)
class Trial:
    """A project, and all that buildbox asks of the engine when it is called there."""

    project: Project
    engine: WatchedEngine

    def with_env(self, **env: str) -> Trial:
        """The same with more of an environment."""
        return replace(self, project=replace(self.project, env={**self.project.env, **env}))

    def by(self, caller: Caller) -> Trial:
        """The same with another caller, to whom all of it belongs."""
        trial = replace(self, project=replace(self.project, caller=caller))
        trial.project.own()
        return trial

    def file(self) -> Path:
        """The project's `.buildbox.toml`."""
        return self.project.root / ".buildbox.toml"

    def refused(
        self,
        *args: str,
        status: Exit,
        says: str | Sequence[str],
        cwd: Path | None = None,
        notes: bool = False,
    ) -> str:
        """Calls buildbox, which must fail as is documented; gives what it says of that.

        `notes`: it may have told of its work before.
        """
        before = _files(self.project.root)
        result = self.project.run(*args, cwd=cwd)
        shown = f"{args}: exit status {result.status}\n{result.out}\n{result.err}"
        assert (result.status, result.out) == (status, ""), shown
        lines = result.err.splitlines()
        at = max(number for number, line in enumerate(lines) if line.startswith("buildbox: "))
        assert notes or at == 0, shown
        assert all(line.startswith("buildbox: ") for line in lines[:at]), shown
        message, what_to_do = lines[at], lines[at + 1 :]
        assert what_to_do and all(line.startswith("  ") or not line for line in what_to_do), shown
        assert "Traceback" not in result.err and "bug in buildbox" not in result.err, shown
        for words in [says] if isinstance(says, str) else says:
            assert words in result.err, f"{words!r} is not in\n{shown}"
        assert _files(self.project.root) == before, "the project was changed"
        self.left_nothing()
        return "\n".join([message, *what_to_do])

    def left_nothing(self) -> None:
        """Nothing of a run is left: no container, no lease, nothing half-written."""
        assert self.engine.left == 0, self.engine.asked
        for folder in ("runs", "archive/ingest"):
            path = self.project.home / folder
            assert not path.is_dir() or list(path.iterdir()) == [], path


def _files(root: Path) -> dict[str, bytes]:
    """Every name below `root`, with the contents of regular files that aren't large.

    But for buildbox's own folder, which is there before a task is, so that none can make it.
    """
    found = {}
    own = {root / ".buildbox", root / ".buildbox/.gitignore", root / ".buildbox/state"}
    for path in sorted({*root.rglob("*")} - own):
        state = path.lstat()
        regular = path.is_file() and not path.is_symlink() and state.st_size < 1 << 20
        found[str(path)] = path.read_bytes() if regular and os.access(path, os.R_OK) else b""
    return found
