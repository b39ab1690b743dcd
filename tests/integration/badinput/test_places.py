"""Disks that are full, folders and files that are closed to the caller, and a stdout that is shut."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.archive.layout import Archive
from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial, box
from tests.support.engines import SOCKET
from tests.support.faulty import run_faulty
from tests.support.images import make_image
from tests.support.refusal import Trial, another_user

by_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a disk that is small")


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A disk of its own at `place`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tests", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@by_root
def test_a_disk_that_is_full_within_a_fetch(make_trial: MakeTrial) -> None:
    """Nothing half-written stays; with more space the same command goes on."""
    image = make_image({"large": random.Random(1).randbytes(4_000_000)})
    trial = make_trial(archived=False)
    home = trial.project.home
    with run_faulty(image) as registry, small_disk(home, "2m"):
        trial.file().write_text(box(f"{registry.host}/tools/large:1@{image.digest}"))
        says = [
            f"no space left for the archive at {home}/archive",
            "Free some space there and run the command",
        ]
        trial.refused("--engine", trial.engine.url, "run", "t", status=Exit.ARCHIVE, says=says, notes=True)
        archive = Archive.open(home / "archive")
        assert archive.refs() == ()
        assert list((archive.path / "partial").iterdir()) == []
        layer = image.layers()[0]
        assert {path.name for path in archive.blobs.iterdir()} == {
            digest.hex for digest in image.blobs if digest != layer
        }
        assert trial.engine.changes == []
        subprocess.run(["mount", "-o", "remount,size=20m", home], check=True)
        pinned = trial.project.run("-v", "run", "t")  # the image has no shell: it need only have come so far
        assert archive.is_sound(layer), pinned.err
        assert [descriptor.digest for _, descriptor in archive.refs()] == [image.digest]
    APIClient(base_url=SOCKET).remove_image(f"buildbox.local/keep:sha256-{image.digest.hex[:32]}")


@by_root
def test_a_disk_without_room_for_a_runs_own_files(make_trial: MakeTrial) -> None:
    trial = make_trial(archived=False)
    home = trial.project.home
    with small_disk(home, "4m"):
        make_trial()
        with pytest.raises(OSError, match="No space left"):
            (home / "filler").write_bytes(bytes(4 << 20))
        says = [f"{home}/runs can't be written: No space left on device", "free some space", "BUILDBOX_HOME"]
        trial.refused("run", "t", status=Exit.ARCHIVE, says=says)
        (home / "filler").unlink()
        assert trial.project.ok("run", "t") == "ran\n"


def test_a_home_that_may_not_be_written(make_trial: MakeTrial) -> None:
    trial = make_trial()
    stranger = trial.by(another_user())
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "0:0", str(trial.project.home)], check=True)
    trial.project.home.chmod(0o555)
    says = [f"{trial.project.home}/runs can't be written: Permission denied", "BUILDBOX_HOME names another"]
    stranger.refused("run", "t", status=Exit.ARCHIVE, says=says)
    assert "t " in stranger.project.ok("list")  # for which nothing is to be written
    trial.project.home.chmod(0o755)


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nowhere"])
def test_a_home_that_can_be_no_folder(make_trial: MakeTrial, home: str) -> None:
    trial = make_trial().with_env(BUILDBOX_HOME=home)
    trial.refused("run", "t", status=Exit.ARCHIVE, says=f"{home}/archive: ")


def test_an_archive_that_may_not_be_read(make_trial: MakeTrial) -> None:
    trial = make_trial()
    stranger = trial.by(another_user())
    archive = trial.project.home / "archive"
    archive.chmod(0)
    says = [f"the archive can't be read: {archive}: Permission denied", "readable for you"]
    stranger.refused("run", "t", status=Exit.ARCHIVE, says=says)
    archive.chmod(0o755)


def test_an_archive_that_is_damaged(make_trial: MakeTrial) -> None:
    trial = make_trial()
    blobs = trial.project.home / "archive/blobs/sha256"
    config = min(blobs.iterdir(), key=lambda path: path.stat().st_size)
    config.write_bytes(config.read_bytes()[:-1])
    says = [f"the archive is damaged: blob sha256:{config.name}", f"It is {config}", "without --offline"]
    trial.refused("--offline", "run", "t", status=Exit.ARCHIVE, says=says)


def test_a_source_file_that_the_caller_may_not_read(make_trial: MakeTrial) -> None:
    """It is the task's to complain about, in its own words and with its own exit status."""
    trial = make_trial('[tasks.read]\nrun = "cat secret || exit 7"\n')
    (trial.project.root / "secret").write_text("no")
    docker = Path("/var/run/docker.sock").stat().st_gid
    stranger = trial.by(another_user(docker))
    (trial.project.root / "secret").chmod(0)
    result = stranger.project.run("run", "read")
    assert (result.status, result.out) == (7, "")
    assert result.err.splitlines()[0] == "cat: can't open 'secret': Permission denied"
    assert stranger.project.ok("run", "t") == "ran\n"


# stdout


def shell(trial: Trial, *line: str, to: str) -> tuple[int, str]:
    """Calls buildbox with its stdout redirected by a shell; gives status and stderr."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {to}; exit "${{PIPESTATUS[0]}}"', "sh", *trial.project.command(*line)],
        cwd=trial.project.root,
        env=trial.project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr and "bug" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("line", ["list", "--json list", "run t", "--json run t", "--version", "--help"])
def test_nobody_reads_stdout(make_trial: MakeTrial, line: str) -> None:
    """As a program ends that a SIGPIPE ends, and without a word."""
    trial = make_trial()
    reader, writer = os.pipe()
    os.close(reader)
    process = trial.project.start(*line.split(), stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.BROKEN_PIPE
    assert re.fullmatch(r"(buildbox: t failed: exit status 141 \(\d\.\ds\)\n)?", err.decode()), err
    trial.left_nothing()


@pytest.mark.parametrize("line", ["list", "--json list", "--help"])
def test_no_space_for_stdout(make_trial: MakeTrial, line: str) -> None:
    status, err = shell(make_trial(), *line.split(), to=">/dev/full")
    assert (status, err) == (
        Exit.USAGE,
        "buildbox: there is no space left for what buildbox has to say on stdout\n",
    )


def test_no_space_for_a_tasks_stdout(make_trial: MakeTrial) -> None:
    trial = make_trial()
    status, err = shell(trial, "run", "t", to=">/dev/full")
    assert status == Exit.BROKEN_PIPE
    assert err.splitlines()[0] == (
        "buildbox: the task was killed, for its output can't be written: No space left on device"
    )
    trial.left_nothing()


def test_stdout_and_stderr_are_closed(make_trial: MakeTrial) -> None:
    trial = make_trial('[tasks.w]\nrun = "echo out; echo err >&2; echo made >file"\n')
    assert shell(trial, "run", "w", to=">&- 2>&-") == (0, "")
    assert (trial.project.root / "file").read_text() == "made\n"
    trial.left_nothing()
