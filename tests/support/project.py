"""A project in a folder of its own, and buildbox called on it as a user calls it: as a process."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildbox.archive import savers
from buildbox.archive.layout import Archive
from tests.support.tiny_image import TinyImage

REPOSITORY = Path(__file__).parents[2]
DOCKER_SOCKET = Path("/var/run/docker.sock")
STRANGER = 23456  # a uid and gid that neither host nor image ever heard of


@dataclass(frozen=True)
class Result:
    """How a call of buildbox ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Caller:
    """Who calls buildbox: this user, or (as root) another."""

    uid: int
    gid: int

    def command(self, command: Sequence[str]) -> list[str]:
        """`command` run as this caller, who may use the engine and read the tests' Python."""
        if self.uid == os.getuid():
            return list(command)
        groups = DOCKER_SOCKET.stat().st_gid
        read = "+dac_read_search"  # the Python of a root's tests may lie in root's home
        who = [f"--reuid={self.uid}", f"--regid={self.gid}", f"--groups={groups}"]
        return ["setpriv", *who, f"--inh-caps={read}", f"--ambient-caps={read}", *command]


ME = Caller(os.getuid(), os.getgid())


def keep_image(home: Path, image: TinyImage, name: str) -> str:
    """Puts a tiny image into the archive of `home`; gives its pin."""
    archive = Archive.open(home / "archive")
    for data in image.blobs.values():
        archive.add_bytes(data)
    digest = image.descriptor.digest
    archive.keep(image.descriptor, f"docker.io/{name}@{digest}")
    savers.end(archive.path)  # else this process keeps a file open there, and a disk can't be unmounted
    return f"{name}@{digest}"


def let_others_pass(folder: Path) -> None:
    """Lets every user reach `folder`, a test's own: those that pytest made around it are its user's alone."""
    for each in (folder, *folder.parents[:2]):
        mode = stat.S_IMODE(each.stat().st_mode)
        if each.owner() == folder.owner():
            each.chmod(mode | 0o055)  # only more than before, since with --basetemp it may be /tmp


def lend_archive(archive: Path, home: Path, caller: Caller, *, apart: bool = False) -> None:
    """Gives `home` the archive of whoever runs the tests: itself, or one with the same blobs for another
    caller, who can't write there, or `apart`: for results of which no later test is to know.
    It lies beside `home`, since the blobs must not become the caller's.
    """
    if caller.uid == os.getuid() and not apart:
        (home / "archive").symlink_to(archive)
        return

    def copy(source: str, target: str) -> None:
        if "/blobs/" in source:
            os.link(source, target)
        else:
            shutil.copy(source, target)
            os.chown(target, caller.uid, caller.gid)

    def passing(folder: str, names: list[str]) -> list[str]:
        return names if Path(folder).name in ("ingest", "partial") else []  # of builds that go on meanwhile

    lent = home.with_name(f"{home.name}-archive")
    shutil.copytree(archive, lent, copy_function=copy, ignore=passing)
    for folder in (lent, *lent.glob("**/")):
        os.chown(folder, caller.uid, caller.gid)
    (home / "archive").symlink_to(lent)


@dataclass(frozen=True)
class Project:
    """A folder with a `.buildbox.toml`, and the buildbox home that its caller has."""

    root: Path
    home: Path
    caller: Caller = ME
    env: Mapping[str, str] = field(default_factory=dict)  # beyond a small plain environment
    patience: float = 120  # seconds that a call may take

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files below the root, as the caller's own."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.own()

    def own(self) -> None:
        """Gives the whole of root and home to the caller."""
        if self.caller.uid != os.getuid():
            for top in (self.root, self.home):
                subprocess.run(["chown", "-hR", f"{self.caller.uid}:{self.caller.gid}", str(top)], check=True)

    def command(self, *args: str) -> list[str]:
        """The command line of a buildbox call."""
        return self.caller.command([sys.executable, "-m", "buildbox", *args])

    def environment(self) -> dict[str, str]:
        """The caller's environment: nothing of the test run's own leaks in."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "BUILDBOX_HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Whoever tests another engine than the usual one names it so.
            **({"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}),
            **self.env,
        }

    def start(self, *args: str, cwd: Path | None = None, **options: object) -> subprocess.Popen[bytes]:
        """A running buildbox, with pipes for its streams unless `options` say otherwise."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self.command(*args), cwd=cwd or self.root, env=self.environment(), **{**streams, **options}
        )

    def run(self, *args: str, input: bytes | None = None, cwd: Path | None = None) -> Result:
        """Calls buildbox and waits for it; stdin is empty unless `input` says otherwise."""
        done = subprocess.run(
            self.command(*args),
            cwd=cwd or self.root,
            env=self.environment(),
            input=b"" if input is None else input,
            capture_output=True,
            check=False,
            timeout=self.patience,
        )
        return Result(
            done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def ok(self, *args: str, input: bytes | None = None, cwd: Path | None = None) -> str:
        """The stdout of a call that succeeds."""
        result = self.run(*args, input=input, cwd=cwd)
        assert result.status == 0, f"{args}: exit status {result.status}\n{result.out}\n{result.err}"
        return result.out


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    """uid, gid and permission bits of a path, links not followed."""
    state = path.lstat()
    return state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)
