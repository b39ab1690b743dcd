"""Results in an archive: listed, checked, collected; kept by several at once, and by some that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildbox.archive import savers
from buildbox.archive.gc import Collected, collect
from buildbox.archive.hashing import hash_all
from buildbox.archive.hints import all_hints, write_hint
from buildbox.archive.layout import Archive
from buildbox.archive.plan import Limits
from buildbox.archive.results import Result, extract, find_result, replay
from buildbox.archive.soundness import examine
from buildbox.progress import Silent
from tests.support.images import AMD64, make_image
from tests.support.project import Project
from tests.support.results import WRITES, Written, document, keep

DAY = 86400
IMAGE = make_image({"data": os.urandom(30_000)})


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project", tmp_path / "home")
    made.root.mkdir()
    return made


@pytest.fixture
def archive(project: Project) -> Archive:
    return Archive.open(project.home / "archive")


def keep_ago(archive: Archive, scratch: Path, number: int, days: float, size: int = 1000) -> Result:
    """Keeps a result with `size` bytes of outputs as if that had been `days` ago."""
    then = time.time() - days * DAY
    result = keep(archive, scratch, number, {"out": os.urandom(size)}, now=then, step=f"step{number}")
    os.utime(archive.blob_path(result.manifest), (then, then))
    savers.end(archive.path)
    return result


def gather(
    archive: Archive, *, age: float | None = None, size: int | None = None, dry_run: bool = False
) -> Collected:
    limits = Limits(None if age is None else age * DAY, size)
    return collect(archive, archive.path.parent, limits, time.time(), dry_run=dry_run)


def kept_now(archive: Archive) -> set[int]:
    return {number for number in range(20) if find_result(archive, document(number)[0])}


def blobs(archive: Archive) -> set[str]:
    return {path.name for path in archive.blobs.iterdir()}


def test_results_are_counted_and_listed_when_asked_for(
    project: Project, archive: Archive, scratch: Path
) -> None:
    IMAGE.put_into(archive, f"docker.io/tests/x:1@{IMAGE.digest}")
    for number in range(3):
        keep_ago(archive, scratch, number, days=number)
    value = json.loads(project.ok("--json", "archive", "list"))
    assert [kept["kind"] for kept in value["kept"]] == ["image"]
    assert value["results"]["count"] == 3
    assert (value["results"]["size"] > 3000, value["loose"]) == (True, 0)
    listed = [line.split() for line in project.ok("archive", "list", "--results").splitlines()]
    assert [line[:2] for line in listed[1:]] == [
        [document(number)[0].short, f"step{number}"] for number in (2, 1, 0)
    ]
    (first, *_) = json.loads(project.ok("--json", "archive", "list", "--results"))["results"]
    assert (first["fingerprint"], first["task"], first["damage"]) == (str(document(2)[0]), "step2", None)
    assert "3 results of tasks" in project.run("archive", "list").err


def test_check_reads_results_and_repair_drops_those_that_are_spoilt(
    project: Project, archive: Archive, scratch: Path
) -> None:
    good, spoilt, gone = (keep_ago(archive, scratch, number, 0) for number in range(3))
    write_hint(archive, document(4)[0], good.manifest, time.time())
    (archive.path / "results" / document(5)[0].hex).write_bytes(b"nonsense")
    assert project.run("archive", "list").status == 0
    archive.blob_path(spoilt.outputs.digest).write_bytes(b"other")
    archive.blob_path(gone.manifest).unlink()
    result = project.run("--json", "archive", "check")
    assert result.status == 123
    value = json.loads(result.out)
    assert {(fault["role"], fault["state"]) for fault in value["faults"]} == {
        ("file", "damaged"),
        ("manifest", "missing"),
        ("result", "wrong"),
    }
    assert value["results"] == 5
    text = project.run("archive", "check")
    assert "a run makes it again" in text.out + text.err
    repaired = json.loads(project.ok("--json", "archive", "check", "--repair"))
    assert repaired["results-dropped"] == 4
    assert project.ok("archive", "check") == ""
    assert kept_now(archive) == {0}


def test_old_results_go_and_used_ones_stay(archive: Archive, scratch: Path) -> None:
    for number, days in enumerate((50, 40, 5)):
        keep_ago(archive, scratch, number, days)
    find_result(archive, document(0)[0], time.time() - 3 * DAY)
    seen = gather(archive, age=30, dry_run=True)
    assert kept_now(archive) == {0, 1, 2}
    done = gather(archive, age=30)
    assert {drop.kept.step for drop in done.drops} == {drop.kept.step for drop in seen.drops} == {"step1"}
    assert (done.blobs, done.alone) == (seen.blobs, True)
    assert kept_now(archive) == {0, 2}
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok


def test_results_go_before_images_do(archive: Archive, scratch: Path) -> None:
    IMAGE.put_into(archive, f"docker.io/tests/x:1@{IMAGE.digest}")
    then = time.time() - 300 * DAY
    os.utime(archive.blob_path(IMAGE.digest), (then, then))
    for number in range(4):
        keep_ago(archive, scratch, number, days=10 - number, size=20_000)
    done = gather(archive, size=80_000)
    assert [drop.kept.step for drop in done.drops] == ["step0", "step1"]
    assert kept_now(archive) == {2, 3}
    done = gather(archive, size=40_000)
    assert [drop.kept.kind for drop in done.drops] == ["result", "result"]
    assert [name for name, _ in archive.refs()] == [f"docker.io/tests/x:1@{IMAGE.digest}"]
    done = gather(archive, size=1000)
    assert [drop.kept.kind for drop in done.drops] == ["image"]
    assert blobs(archive) == set()


def test_a_damaged_result_is_in_nobodys_way(project: Project, archive: Archive, scratch: Path) -> None:
    spoilt = keep_ago(archive, scratch, 0, 0)
    keep_ago(archive, scratch, 1, 0)
    archive.blob_path(spoilt.manifest).write_bytes(b"{}")
    assert "1 result (damaged)" in project.ok("archive", "gc")
    assert kept_now(archive) == {1}
    assert json.loads(project.ok("--json", "archive", "gc"))["results-dropped"] == 0


def test_a_list_of_names_that_is_made_anew_takes_no_result_for_an_image(
    project: Project, archive: Archive, scratch: Path
) -> None:
    IMAGE.put_into(archive, f"docker.io/tests/x:1@{IMAGE.digest}")
    keep_ago(archive, scratch, 1, 0)
    (archive.path / "index.json").write_text("{")
    project.ok("archive", "check", "--repair")
    assert [top.digest for _, top in archive.refs()] == [IMAGE.digest]
    assert kept_now(archive) == {1}


COLLECTOR = """
import sys, time
from pathlib import Path
from buildbox.archive.gc import collect
from buildbox.archive.layout import Archive
from buildbox.archive.plan import Limits
archive = Archive.open(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    collect(archive, archive.path.parent, Limits(size=30_000), time.time(), dry_run=False)
"""


def test_what_a_result_is_made_of_is_not_collected_while_it_is_kept(archive: Archive, scratch: Path) -> None:
    """Collecting, again and again, beside those who keep results and find them."""
    process = subprocess.Popen(
        [sys.executable, "-c", COLLECTOR, str(archive.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        for number in range(40):
            result = keep(archive, scratch, number, {"out": os.urandom(5000)}, now=time.time())
            if find_result(archive, result.fingerprint) == result:
                (scratch / f"to{number}").mkdir()
                extract(archive, result, scratch / f"to{number}")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok


KEEPER = """
import sys, time
from pathlib import Path
from buildbox.archive.layout import Archive
from tests.support.results import keep
archive, scratch = Archive.open(Path(sys.argv[1])), Path(sys.argv[2])
scratch.mkdir(exist_ok=True)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    keep(archive, scratch, number % 5, {"out": b"%d" % number * 50_000, "dist/run": b"x"}, now=time.time())
print("done", flush=True)
"""


def keeper(archive: Archive, scratch: Path, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(archive.path), str(scratch), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def check_sound(archive: Archive, scratch: Path, number: int) -> bool:
    """Whether the result is there; if so all of it is right."""
    result = find_result(archive, document(number)[0])
    if result is None:
        return False
    to = scratch / f"to-{os.urandom(4).hex()}"
    to.mkdir()
    extract(archive, result, to)
    output = Written()
    replay(archive, result, output)
    assert output.writes == list(WRITES)
    data = (to / "out").read_bytes()
    assert data == data[: len(data) // 50_000] * 50_000
    return True


def test_of_two_who_keep_the_same_one_counts(archive: Archive, tmp_path: Path, scratch: Path) -> None:
    keepers = [keeper(archive, tmp_path / name, 25) for name in ("one", "two")]
    for process in keepers:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    while any(process.poll() is None for process in keepers):
        for number in range(5):
            check_sound(archive, scratch, number)
    assert [process.communicate()[0] for process in keepers] == ["done\n", "done\n"]
    assert all(check_sound(archive, scratch, number) for number in range(5))
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok


def test_many_threads_keep_and_find(archive: Archive, tmp_path: Path) -> None:
    def work(thread: int) -> None:
        scratch = tmp_path / f"thread{thread}"
        scratch.mkdir()
        for number in range(5):
            keep(archive, scratch, number, {"out": b"%d" % thread * 50_000})
            assert check_sound(archive, scratch, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(all_hints(archive)) == 5


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 5, 8, 12, 20, 40, 80])
def test_a_keeper_that_is_killed_leaves_sound_results_or_none(
    archive: Archive, tmp_path: Path, scratch: Path, milliseconds: int
) -> None:
    process = keeper(archive, tmp_path / "killed", 1_000_000)
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    time.sleep(milliseconds / 1000)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    found = [check_sound(archive, scratch, number) for number in range(5)]
    assert sum(found) == len(all_hints(archive))
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok
    keep(archive, scratch, 0, {"out": b"1" * 50_000})
    assert check_sound(archive, scratch, 0)
    savers.end(archive.path)
    gather(archive)
    assert list((archive.path / "ingest").iterdir()) == []
