"""Several processes at one archive, and processes that are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import Descriptor

# Writes blobs and names without end, or `count` of them; the seed says which.
WRITER = """
import random, sys
from pathlib import Path
from buildbox.archive.layout import Archive
from buildbox.oci import Descriptor
archive = Archive.open(Path(sys.argv[1]))
chance, count, name = random.Random(int(sys.argv[2])), int(sys.argv[3]), sys.argv[4]
print("ready", flush=True)
while count:
    count -= 1
    data = chance.randbytes(chance.randrange(1, 200_000))
    with archive.ingest() as writer:
        for start in range(0, len(data), 10_000):
            writer.write(data[start:start + 10_000])
    archive.keep(Descriptor("x/y", writer.digest, writer.size), f"{name}-{count}")
"""


def writer(archive: Path, seed: int, count: int, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(archive), str(seed), str(count), name], stdout=subprocess.PIPE
    )


def assert_sound(path: Path) -> Archive:
    """Everything that has a name hashes to it."""
    archive = Archive.open(path)
    for blob in archive.blobs.iterdir():
        assert Digest.of(blob.read_bytes()).hex == blob.name
    for _, descriptor in archive.refs():
        assert archive.size(descriptor.digest) == descriptor.size
    return archive


def test_two_processes_write_the_same_and_different_blobs(tmp_path: Path) -> None:
    path = tmp_path / "archive"  # made by whoever comes first
    processes = [writer(path, 1, 25, "a"), writer(path, 1, 25, "b"), writer(path, 2, 25, "c")]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    archive = assert_sound(path)
    assert sorted(name for name, _ in archive.refs()) == sorted(
        f"{who}-{n}" for who in "abc" for n in range(25)
    )
    assert len(list(archive.blobs.iterdir())) == 50
    assert list((path / "ingest").iterdir()) == []


def test_a_kill_at_any_moment_leaves_a_sound_archive(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    chance = random.Random(7)
    names = 0
    for round_ in range(25):
        process = writer(path, round_, -1, f"round{round_}")
        if round_ % 5:  # else it may die while it starts
            assert process.stdout and process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        archive = assert_sound(path)
        assert len(archive.refs()) >= names  # what was named stays named
        names = len(archive.refs())
    assert names > 5
    archive.add_bytes(b"the next writer")
    assert list((path / "ingest").iterdir()) == []  # and cleans up after the dead


def test_a_named_blob_is_there_for_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    Archive.open(path)
    process = writer(path, 3, 60, "w")
    seen = 0
    while process.poll() is None:
        for _, descriptor in Archive.open(path).refs():
            assert isinstance(descriptor, Descriptor)
            assert Archive.open(path).size(descriptor.digest) == descriptor.size
            seen += 1
    assert process.returncode == 0
    assert seen > 60
