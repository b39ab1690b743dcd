"""Savers that are killed at many points, that run side by side, and that find the disk full."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.archive.hashing import hash_all
from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.archive.soundness import examine
from buildbox.digest import Digest
from buildbox.errors import Exit
from buildbox.progress import Silent
from tests.integration.archive.test_layout import mount
from tests.support.faulty import Call, FaultyRegistry, only, range_start, run_faulty
from tests.support.images import AMD64, ARM64, make_image, make_index
from tests.support.project import Project

BYTES = random.Random(11)
IMAGE = make_index(
    make_image(
        *({f"file{n}": BYTES.randbytes(200_000 * n)} for n in range(1, 5)), {"tiny": b"tiny"}, platform=AMD64
    ),
    make_image({"arm": b"arm"}, platform=ARM64),
)
AMD = next(iter(IMAGE.manifests))
CONFIG, *LAYERS = list(IMAGE.blobs)[:6]
TOTAL = sum(len(IMAGE.blobs[digest]) for digest in (CONFIG, *LAYERS))
PIECE = 16_384
IN_FLIGHT = 3 * 65_536  # bytes that a fetch of three layers may have taken in and not yet written
FILE = '[toolchains.{name}]\nimage = "{pin}"\nplatform = "linux/amd64"\n'


class Counted:
    """A rule that serves blobs piece by piece and counts what it sent: after `most` bytes nothing more comes
    until it is let go, so that nobody is done before he is killed, however slow this machine is."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most, self.sent = most, 0
        self.going_on = threading.Event()

    def __call__(self, call: Call) -> bool:
        data = call.registry.image.blobs[Digest.parse(call.path.rpartition("/")[2])]
        start = range_start(call)
        call.send_response(206 if start else 200)
        if start:
            call.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        call.send_header("Content-Length", str(len(data) - start))
        call.end_headers()
        for at in range(start, len(data), PIECE):
            with call.registry.lock:
                held = self.sent >= self.most and not self.going_on.is_set()
                self.sent += 0 if held else len(data[at : at + PIECE])
            if held:
                call.wfile.flush()
                self.going_on.wait(60)
                call.hang_up()
                return True
            call.wfile.write(data[at : at + PIECE])
        return True


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with run_faulty(IMAGE) as registry:
        yield registry


def project(folder: Path, registry: FaultyRegistry) -> Project:
    made = Project(folder / "project", folder / "home")
    pin = f"{registry.host}/tools/x:1@{registry.image.digest}"
    made.write({".buildbox.toml": FILE.format(name="tools", pin=pin)})
    return made


def archive_of(made: Project) -> Archive:
    return Archive.open(made.home / "archive")


def came(archive: Archive) -> int:
    """Bytes of configuration and layers that are on the disk, whole or not."""
    size = 0
    for path in (*(archive.path / "partial").glob("*"), *archive.blobs.glob("*")):
        try:
            size += path.stat().st_size if Digest(path.name) in IMAGE.blobs else 0
        except FileNotFoundError:
            size += IMAGE_SIZES.get(path.name, 0)  # it has just become a blob
    return size


IMAGE_SIZES = {digest.hex: len(data) for digest, data in IMAGE.blobs.items()}


def start(made: Project) -> subprocess.Popen[bytes]:
    return made.start("archive", "save", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(archive: Archive, amount: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while came(archive) < amount and process.poll() is None and time.monotonic() < end:
        time.sleep(0.0005)


def kill_at(made: Project, archive: Archive, registry: FaultyRegistry, amount: int) -> None:
    """Starts a save and kills it when `amount` bytes were sent and most of them have come."""
    counted, before = Counted(amount), came(archive)
    registry.rules = [only("/blobs/", counted)]
    process = start(made)
    wait_for(archive, before + amount - IN_FLIGHT, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    counted.going_on.set()


def assert_sound(archive: Archive) -> None:
    """As `archive check` has it."""
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok


@pytest.mark.parametrize("point", range(8))
def test_a_save_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, faulty: FaultyRegistry, point: int
) -> None:
    made = project(tmp_path, faulty)
    archive = archive_of(made)
    kill_at(made, archive, faulty, TOTAL * (point + 1) // 9)
    assert_sound(archive)
    assert archive.refs() == ()  # not half of it
    had, counted = came(archive), Counted()
    assert had > 0
    faulty.rules = [only("/blobs/", counted)]
    made.ok("archive", "save")
    assert counted.sent == TOTAL - had  # not a byte twice
    assert_sound(archive)
    assert find_image(archive, IMAGE.digest, AMD64) is not None
    assert list((archive.path / "partial").iterdir()) == []
    assert '"faults": []' in made.ok("--json", "archive", "check")


def test_a_save_that_is_killed_while_it_ends(tmp_path: Path, faulty: FaultyRegistry) -> None:
    """All bytes are there; what is left is to make blobs and a name of them."""
    chance = random.Random(3)
    for round_ in range(6):
        made = project(tmp_path / str(round_), faulty)
        archive = archive_of(made)
        process = start(made)
        wait_for(archive, TOTAL, process)
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert_sound(archive)
        for _, top in archive.refs():  # a name means that all is there
            assert top.digest == IMAGE.digest
            assert all(archive.is_sound(digest) for digest in (AMD, CONFIG, *LAYERS))
        made.ok("archive", "save")
        assert find_image(archive, IMAGE.digest, AMD64) is not None


def test_a_save_that_is_killed_again_and_again_gets_there(tmp_path: Path, faulty: FaultyRegistry) -> None:
    made = project(tmp_path, faulty)
    archive = archive_of(made)
    for _ in range(3):
        kill_at(made, archive, faulty, TOTAL // 6)
        assert_sound(archive)
    faulty.rules = []
    made.ok("archive", "save")
    assert find_image(archive, IMAGE.digest, AMD64) is not None


def test_two_savers_at_once_fetch_each_blob_once(tmp_path: Path, faulty: FaultyRegistry) -> None:
    made, counted = project(tmp_path, faulty), Counted()
    faulty.rules = [only("/blobs/", counted)]
    savers = [start(made), start(made), start(made)]
    assert [saver.wait(60) for saver in savers] == [0, 0, 0]
    assert counted.sent == TOTAL
    assert_sound(archive_of(made))


def test_a_saver_whose_neighbour_is_killed_takes_over(tmp_path: Path, faulty: FaultyRegistry) -> None:
    made, counted = project(tmp_path, faulty), Counted(TOTAL // 2)
    archive = archive_of(made)
    faulty.rules = [only("/blobs/", counted)]
    first = start(made)
    wait_for(archive, TOTAL // 2 - IN_FLIGHT, first)
    second = start(made)
    time.sleep(0.5)  # mostly it waits by now for what the first one has
    first.send_signal(signal.SIGKILL)
    assert first.wait(10) == -signal.SIGKILL
    counted.going_on.set()
    assert second.wait(60) == 0
    assert counted.sent < 2 * TOTAL
    assert_sound(archive)
    assert find_image(archive, IMAGE.digest, AMD64) is not None


def test_a_full_disk_and_then_a_larger_one(tmp_path: Path, faulty: FaultyRegistry) -> None:
    made = project(tmp_path, faulty)
    mount("tmpfs", "size=1500k", made.home)
    try:
        result = made.run("archive", "save")
        assert result.status == Exit.ARCHIVE
        assert "no space left" in result.err
        assert str(made.home) in result.err
        archive = archive_of(made)
        assert_sound(archive)
        assert archive.refs() == ()
        subprocess.run(["mount", "-o", "remount,size=10m", str(made.home)], check=True)
        had, counted = came(archive), Counted()
        faulty.rules = [only("/blobs/", counted)]
        made.ok("archive", "save")
        assert counted.sent == TOTAL - had
        assert_sound(archive)
    finally:
        subprocess.run(["umount", "-l", str(made.home)], check=True)


def test_a_repair_that_is_killed_goes_on_where_it_was(tmp_path: Path, faulty: FaultyRegistry) -> None:
    made, large = project(tmp_path, faulty), LAYERS[3]
    archive = archive_of(made)
    made.ok("archive", "save")
    damaged = bytes(IMAGE_SIZES[large.hex])
    archive.blob_path(large).write_bytes(damaged)
    held = Counted(len(damaged) // 2)
    faulty.rules = [only("/blobs/", held)]
    process, part = made.start("archive", "check", "--repair"), archive.path / "partial" / large.hex
    while process.poll() is None and not (part.exists() and part.stat().st_size > len(damaged) // 4):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held.going_on.set()
    assert process.returncode == -signal.SIGKILL
    assert (archive.path / "damaged" / large.hex).read_bytes() == damaged  # nothing better is here yet
    had, counted = part.stat().st_size, Counted()
    faulty.rules = [only("/blobs/", counted)]
    made.ok("archive", "check", "--repair")
    assert counted.sent == len(damaged) - had
    assert_sound(archive)
    assert not (archive.path / "damaged").exists()
