"""Trees that a process changes while they are read and written, as fast as it can."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from buildbox.trees.entry import Entry
from buildbox.trees.faults import Changed, OutputRefused, TreeError
from buildbox.trees.placing import place
from buildbox.trees.stage import remove, stage_files
from buildbox.trees.taking import Taken, take
from tests.support.project import REPOSITORY
from tests.support.trees import file, seen, write

SECRET = "what no task may see"
SECONDS = 1.0  # that an attack goes on

# Each swaps what is at argv[1] for something else and back, without end.
FOLDER_FOR_LINK = """
import ctypes, os, sys
os.chdir(sys.argv[1])
os.symlink(sys.argv[2], "link")
swap = ctypes.CDLL(None).renameat2
while True:
    assert swap(-100, b"victim", -100, b"link", 2) == 0  # AT_FDCWD, RENAME_EXCHANGE: renameat2(2)
"""
FILE_FOR_LINK = """
import os, sys
os.chdir(sys.argv[1] + "/victim")
while True:
    os.symlink(sys.argv[2] + "/a", "new"); os.replace("new", "a")
    with open("new", "w") as f: f.write("1")
    os.replace("new", "a")
"""
FILE_FOR_FIFO = """
import os, sys
os.chdir(sys.argv[1] + "/victim")
while True:
    os.mkfifo("new"); os.replace("new", "a")
    with open("new", "w") as f: f.write("1")
    os.replace("new", "a")
"""
WRITER = """
import os, sys
file = os.open(sys.argv[1] + "/victim/a", os.O_RDWR)
while True:
    for sign in (b"2", b"1"):
        os.pwrite(file, sign * 300000, 0)
"""
ATTACKS = {"folder": FOLDER_FOR_LINK, "file": FILE_FOR_LINK, "fifo": FILE_FOR_FIFO}


@contextmanager
def attack(script: str, folder: Path, target: Path) -> Iterator[None]:
    """A process that runs `script` until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(target)], stderr=subprocess.PIPE
    )
    try:
        time.sleep(0.1)
        yield
        assert process.poll() is None, "it goes on"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return write(tmp_path / "outside", {"a": SECRET})


@pytest.mark.parametrize("kind", ATTACKS)
@pytest.mark.parametrize("since", [0.0, 2.0**33], ids=["hashed", "trusted"])
def test_a_stage_gets_its_inputs_or_nothing(tmp_path: Path, outside: Path, kind: str, since: float) -> None:
    # "trusted" on purpose: not even then may anything come from behind a link.
    root = write(tmp_path / "root", {"victim/a": "1"})
    staged = changed = 0
    with attack(ATTACKS[kind], root, outside):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not (staged and changed):
            assert time.monotonic() < end + 30, (staged, changed)
            to = tmp_path / f"to{staged + changed}"
            try:
                stage_files(root, [file("victim/a", "1")], to, since=since)
                staged += 1
            except Changed:
                changed += 1
            else:
                assert seen(to) == {"victim/a": "1"}
            remove(to)


@pytest.mark.parametrize("since", [0.0, None], ids=["all", "recent"])
def test_a_file_that_is_written_meanwhile_is_never_staged_half(tmp_path: Path, since: float | None) -> None:
    root = write(tmp_path / "root", {"victim/a": "1" * 300000})
    entries = [file("victim/a", "1" * 300000)]
    looked = (root / "victim/a").stat().st_ctime + 0.02 if since is None else since
    time.sleep(0.05)
    changed = 0
    with attack(WRITER, root, tmp_path):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            to = tmp_path / "to"
            try:
                stage_files(root, entries, to, since=looked)
                assert (to / "victim/a").read_text() == "1" * 300000
            except Changed:
                changed += 1
            remove(to)
    assert changed


@pytest.mark.parametrize("kind", [*ATTACKS, "writer"])
def test_outputs_are_what_their_digests_say_or_refused(tmp_path: Path, outside: Path, kind: str) -> None:
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or rounds < 5:
        rounds += 1
        entries: tuple[Entry, ...] = ()
        stage = write(tmp_path / "stage", {f"victim/{name}": "1" * 300000 for name in "abcdefgh"})
        to = tmp_path / "to"
        with attack(ATTACKS.get(kind, WRITER), stage, outside), suppress(OutputRefused):
            entries = take(stage, ["victim/"], to).entries
        for entry in entries:
            data = (to / entry.path).read_bytes()
            # Whoever still writes to a file that is open can't be seen: then it is not as its digest says,
            # which whoever reads it next finds out.
            written = kind == "writer" or entry.path == "victim/new"
            assert written or hashlib.sha256(data).hexdigest() == entry.digest
        assert SECRET not in seen(to).values()
        remove(to)
        remove(stage)


def test_outputs_never_go_through_a_link(tmp_path: Path, outside: Path) -> None:
    """A mounted task of another run changes the working tree while outputs are placed."""
    root = write(tmp_path / "root", {"victim/a": "1"})
    placed = refused = 0
    with attack(FOLDER_FOR_LINK, root, outside):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            folder = write(tmp_path / "taken", {"victim/a": "2"})
            try:
                place(Taken((file("victim/a", "2"),), folder), root, tmp_path / "record", ["victim/"])
                placed += 1
            except TreeError:
                refused += 1
            remove(folder)
    assert seen(outside) == {"a": SECRET}
    assert placed and refused


PLACER = """
import sys
from pathlib import Path
from buildbox.trees.placing import place
from buildbox.trees.taking import take
root, stage, to = map(Path, sys.argv[1:])
taken = take(stage, ["dist/*"], to)
print("taken", flush=True)
place(taken, root, root / ".buildbox/outputs/test.json", ["dist/*"])
"""


def test_a_kill_leaves_each_file_old_or_new_and_the_next_call_mends_it(tmp_path: Path) -> None:
    count, root = 500, tmp_path / "root"
    first, second, third = (
        {f"dist/{kind}-{number}": version * 10 for number in range(count) for kind in ("both", version)}
        for version in ("1", "2", "3")
    )
    halves = 0
    for pause in (0.0, 0.005, 0.01, 0.02, 0.03, 0.04):
        remove(root)
        root.mkdir()
        record = root / ".buildbox/outputs/test.json"
        place(take(write(tmp_path / "s1", first), ["dist/*"], tmp_path / "t1"), root, record, ["dist/*"])
        write(tmp_path / "s2", second)
        line = [sys.executable, "-c", PLACER, str(root), str(tmp_path / "s2"), str(tmp_path / "t2")]
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with subprocess.Popen(line, stdout=subprocess.PIPE, env=env) as process:
            assert process.stdout and process.stdout.readline() == b"taken\n"
            time.sleep(pause)
            process.kill()
        now = seen(root)
        assert all(text in (first.get(name), second.get(name)) for name, text in now.items())
        assert all(f"dist/both-{number}" in now for number in range(count))
        halves += now not in (first, second)
        place(take(write(tmp_path / "s3", third), ["dist/*"], tmp_path / "t3"), root, record, ["dist/*"])
        assert seen(root) == third
        for name in ("s1", "t1", "s2", "t2", "s3", "t3"):
            remove(tmp_path / name)
    assert halves, "at least one kill came in the middle"
