from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildbox.errors import ArchiveError, EngineError, UsageError
from buildbox.leases import container_of, lease, sweep

HERE = "unix:///var/run/docker.sock"
ELSEWHERE = "tcp://build.example.com:2376"
NOW = 1_700_000_000.0

HOLDER = """
import sys
from pathlib import Path
from buildbox.leases import lease
with lease(Path(sys.argv[1]), sys.argv[2]) as run:
    print(run, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, address: str = HERE) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds a lease, and its run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def killed(folder: Path, address: str = HERE) -> str:
    """The run of a process that was killed while it held a lease."""
    with holder(folder, address) as (process, run):
        process.send_signal(signal.SIGKILL)
        process.wait()
    return run


def swept(folder: Path, address: str = HERE, now: float = NOW) -> list[str]:
    found: list[str] = []
    assert sweep(folder, address, now, found.append) == len(found)
    return found


def test_a_live_run_is_not_swept_and_a_killed_one_is(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, run):
        assert (tmp_path / run).exists()
        assert swept(tmp_path) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert swept(tmp_path) == [run]


def test_a_run_that_ended_leaves_nothing(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, _):
        process.communicate("")
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_run_does_not_sweep_itself(tmp_path: Path) -> None:
    with lease(tmp_path / "runs", HERE):
        assert swept(tmp_path / "runs") == []


def test_two_runs_have_two_ids(tmp_path: Path) -> None:
    with lease(tmp_path, HERE) as one, lease(tmp_path, HERE) as other:
        assert one != other


def test_a_run_in_a_container_names_it(tmp_path: Path) -> None:
    """It is as alive as any other, and swept by its file, too."""
    with lease(tmp_path, HERE, "abcdef0123456789" * 4) as run, lease(tmp_path, HERE) as other:
        assert (container_of(run), container_of(other)) == ("abcdef012345", "")
        assert run.isalnum(), "it is a part of names"
        assert swept(tmp_path) == []
    (tmp_path / run).write_text(HERE)
    assert swept(tmp_path) == [run]


def test_runs_of_another_engine_are_left_alone(tmp_path: Path) -> None:
    run = killed(tmp_path, ELSEWHERE)
    assert swept(tmp_path, HERE, NOW + 1e6) == []
    assert (tmp_path / run).exists()
    assert swept(tmp_path, ELSEWHERE) == [run]


def test_a_dead_run_is_kept_in_mind_for_a_while(tmp_path: Path) -> None:
    """The engine may still be making what the run had asked for when it was killed, however old it was."""
    run = killed(tmp_path)
    os.utime(tmp_path / run, (NOW - 1e6, NOW - 1e6))
    assert swept(tmp_path, now=NOW) == [run]
    assert swept(tmp_path, now=NOW + 50) == [run]
    assert swept(tmp_path, now=NOW + 70) == [run]  # for the last time
    assert swept(tmp_path, now=NOW + 80) == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_failed_is_swept_for_what_it_could_not_remove(tmp_path: Path) -> None:
    with pytest.raises(EngineError), lease(tmp_path, HERE) as run:
        raise EngineError("the engine went away")
    assert swept(tmp_path) == [run]


@pytest.mark.parametrize("error", [UsageError("not allowed"), BrokenPipeError()])
def test_a_run_that_was_refused_leaves_nothing(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)), lease(tmp_path, HERE):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_before_it_could_say_its_engine_is_swept_everywhere(tmp_path: Path) -> None:
    (tmp_path / "0123456789ab").touch()
    assert swept(tmp_path, HERE) == ["0123456789ab"]
    assert swept(tmp_path, ELSEWHERE, NOW + 70) == ["0123456789ab"]
    assert swept(tmp_path, HERE, NOW + 80) == []


def test_a_failed_removal_is_tried_again(tmp_path: Path) -> None:
    run = killed(tmp_path)

    def fail(run: str) -> None:
        raise EngineError("no")

    with pytest.raises(EngineError):
        sweep(tmp_path, HERE, NOW + 1e6, fail)
    assert swept(tmp_path, HERE, NOW + 2e6) == [run]


def test_nothing_to_sweep(tmp_path: Path) -> None:
    assert swept(tmp_path / "no such folder") == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/0123456789ab").symlink_to(tmp_path / "target")
    assert swept(tmp_path / "runs", now=NOW + 1e6) == []
    assert (tmp_path / "target").read_text() == "kept"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ArchiveError, match="can't be written: Not a directory") as caught,
        lease(tmp_path / "file/runs", HERE),
    ):
        pass
    assert "BUILDBOX_HOME" in caught.value.hint
