"""What `archive gc` removes and what it leaves, as processes and beside processes that save."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buildbox.archive import files, savers
from buildbox.archive.gc import Collected, collect
from buildbox.archive.layout import Archive
from buildbox.archive.plan import Limits
from buildbox.archive.stock import take_stock
from buildbox.archive.use import note_project, note_used
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.reference import ImageRef
from tests.support.images import ARM64, MadeImage, make_image, make_index
from tests.support.project import Project

DAY = 86400
BASE = {"base": os.urandom(50_000)}
ONE = make_image(BASE, {"one": os.urandom(10_000)})
TWO = make_index(make_image(BASE, {"two": os.urandom(20_000)}), make_image({"arm": b"arm"}, platform=ARM64))
PINNED = make_image(BASE, {"pinned": os.urandom(5_000)})


def keep(archive: Archive, image: MadeImage, name: str, days: float = 0) -> str:
    """Keeps `image` as if that had been `days` ago; gives its pin."""
    image.put_into(archive, f"docker.io/{name}@{image.digest}")
    then = time.time() - days * DAY
    os.utime(archive.blob_path(image.digest), (then, then))
    savers.end(archive.path)
    return f"{name}@{image.digest}"


def blobs(archive: Archive) -> set[str]:
    return {path.name for path in archive.blobs.iterdir()}


def all_of(*images: MadeImage) -> set[str]:
    return {digest.hex for image in images for digest in (*image.blobs, *image.manifests)}


def gather(archive: Archive, *, now: float = 0, size: int | None = None, dry_run: bool = False) -> Collected:
    """`now` is days from now."""
    data = archive.path.parent
    return collect(archive, data, Limits(size=size), time.time() + now * DAY, dry_run=dry_run)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that pins one of three images that its archive has, and has run."""
    made = Project(tmp_path / "project", tmp_path / "home")
    archive = Archive.open(made.home / "archive")
    pin = keep(archive, PINNED, "tests/pinned:1", 300)
    keep(archive, ONE, "tests/one:1", 200)
    keep(archive, TWO, "tests/two:1", 100)
    made.write({".buildbox.toml": f'[toolchains.x]\nimage = "{pin}"\n'})
    note_project(made.home, made.root.resolve(), [ImageRef.parse(pin)], time.time())
    return made


def test_list_says_what_is_kept_and_for_whom(project: Project) -> None:
    archive = Archive.open(project.home / "archive")
    archive.keep(ONE.top, f"registry.example.com/mine/one:1@{ONE.digest}")
    note_used(project.home, TWO.digest, time.time() - 5 * DAY)
    lines = [line.split() for line in project.ok("archive", "list").splitlines()]
    assert lines[0] == ["NAME", "DIGEST", "KIND", "PLATFORMS", "SIZE", "KEPT", "USED", "PROJECTS"]
    found = {line[0]: line[1:] for line in lines[1:]}
    assert found["tests/pinned:1"][-1] == str(project.root)
    assert found["tests/two:1"][:4] == [TWO.digest.short, "image", "linux/amd64", "linux/arm64/v8"]
    assert found["tests/two:1"][-3:] == ["5", "days", "-"]
    assert found["registry.example.com/mine/one:1"] == [ONE.digest.short]

    value = json.loads(project.ok("archive", "list", "--json"))
    sizes = {digest: len(data) for image in (ONE, TWO, PINNED) for digest, data in image.blobs.items()}
    tops = {d: len(data) for image in (ONE, TWO, PINNED) for d, (_, data) in image.manifests.items()}
    assert (value["size"], value["loose"]) == (sum((sizes | tops).values()), 0)
    assert [each["projects"] for each in value["kept"]] == [[str(project.root)], [], []]
    one = value["kept"][1]
    assert one["size"] == sum(map(len, ONE.blobs.values())) + tops[ONE.digest]
    assert one["names"] == [
        f"{r}@{ONE.digest}" for r in ("docker.io/tests/one:1", "registry.example.com/mine/one:1")
    ]


def test_an_empty_home_has_an_empty_list_and_nothing_to_collect(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path / "home")
    assert json.loads(project.ok("archive", "list", "--json"))["kept"] == []
    assert json.loads(project.ok("archive", "gc", "--json"))["dropped"] == []
    assert not (tmp_path / "home/archive").exists()


def test_a_dry_run_says_what_gc_then_does(project: Project) -> None:
    archive = Archive.open(project.home / "archive")
    before = blobs(archive), archive.refs()
    dry = json.loads(project.ok("archive", "gc", "--older-than", "150d", "--dry-run", "--json"))
    assert (blobs(archive), archive.refs()) == before
    done = json.loads(project.ok("archive", "gc", "--older-than", "150d", "--json"))
    assert done == {**dry, "dry-run": False}
    assert [drop["names"] for drop in done["dropped"]] == [[f"docker.io/tests/one:1@{ONE.digest}"]]
    assert done["freed"] == sum(archive_size for archive_size in sizes_of(ONE, but=TWO))
    assert blobs(archive) == all_of(TWO, PINNED)  # with the layer that ONE had, too
    again = json.loads(project.ok("archive", "gc", "--older-than", "150d", "--json"))
    assert (again["dropped"], again["freed"]) == ([], 0)


def sizes_of(image: MadeImage, but: MadeImage) -> list[int]:
    found = [len(data) for digest, data in image.blobs.items() if digest not in but.blobs]
    return [*found, *(len(data) for _, data in image.manifests.values())]


def test_the_size_is_the_users_own_or_that_of_the_line(project: Project) -> None:
    config = project.home / "config.toml"
    config.write_text('[archive]\nmax-size = "70k"\n')
    project.own()
    out = project.run("archive", "gc", "--max-size", "1g")
    assert (out.status, out.out) == (0, "")
    out = project.run("archive", "gc")
    assert [line.split()[0] for line in out.out.splitlines()] == ["tests/one:1", "tests/two:1"]
    assert "more than" not in out.err
    out = project.run("archive", "gc", "--max-size", "1k")
    assert out.out == ""
    assert "all of it is needed" in out.err
    assert blobs(Archive.open(project.home / "archive")) == all_of(PINNED)


@pytest.mark.parametrize("option", ["--older-than", "--max-size"])
def test_a_limit_that_is_none_is_refused(project: Project, option: str) -> None:
    done = project.run("archive", "gc", option, "soon")
    assert done.status == 2
    assert option in done.err


def test_a_projects_pin_counts_as_its_file_has_it_now(project: Project) -> None:
    archive = Archive.open(project.home / "archive")
    project.write({".buildbox.toml": f'[toolchains.x]\nimage = "tests/one:1@{ONE.digest}"\n'})
    gather(archive, size=1)
    assert [top.digest for _, top in archive.refs()] == [ONE.digest]


@pytest.mark.parametrize("text", [None, "broken ="])
def test_a_project_without_a_readable_file_needs_what_it_needed(project: Project, text: str | None) -> None:
    archive = Archive.open(project.home / "archive")
    (project.root / ".buildbox.toml").unlink()
    if text:
        project.write({".buildbox.toml": text})
    gather(archive, size=1)
    assert [top.digest for _, top in archive.refs()] == [PINNED.digest]


def test_a_project_that_is_gone_counts_no_more(project: Project) -> None:
    shutil.rmtree(project.root)
    here = project.home
    for _ in range(2):  # a dry run doesn't forget the project
        done = project.run("archive", "gc", "--max-size", "1k", "--dry-run", cwd=here)
        assert f"the project {project.root} is gone" in done.err
        assert "tests/pinned:1" in done.out
    project.run("archive", "gc", "--max-size", "1k", cwd=here)
    assert blobs(Archive.open(project.home / "archive")) == set()
    assert "is gone" not in project.run("archive", "gc", cwd=here).err


def test_a_note_that_cant_be_read_stops_gc(project: Project) -> None:
    (note,) = (project.home / "projects").glob("*.json")
    note.write_text("{}")
    done = project.run("archive", "gc", "--max-size", "1k")
    assert done.status == 123
    assert str(note) in done.err


def test_a_pinned_image_stays_also_without_a_name(project: Project) -> None:
    archive = Archive.open(project.home / "archive")
    archive.drop([name for name, _ in archive.refs()])
    gather(archive, now=2)
    assert blobs(archive) == all_of(PINNED)


def test_what_nothing_refers_to_goes_after_a_day(archive: Archive) -> None:
    ONE.put_into(archive)
    assert gather(archive, now=0.9).blobs == 0
    dry = gather(archive, now=1.1, dry_run=True)
    assert blobs(archive) == all_of(ONE)
    done = gather(archive, now=1.1)
    assert (done.blobs, done.freed) == (dry.blobs, dry.freed) == (len(all_of(ONE)), done.freed)
    assert blobs(archive) == set()


# Claims a blob, and waits to be told to name what it is part of.
HOLDER = """
import sys
from pathlib import Path
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
archive = Archive.open(Path(sys.argv[1]))
print(archive.claim(Digest(sys.argv[2])), flush=True)
sys.stdin.readline()
"""


def test_while_somebody_saves_no_blob_goes_that_came_or_was_claimed_today(archive: Archive) -> None:
    keep(archive, ONE, "tests/one:1", 200)
    base = ONE.layers()[0].hex
    with start(HOLDER, str(archive.path), base) as holder:
        assert holder.stdout and holder.stdout.readline() == "True\n"
        time.sleep(1.1)  # ONE was kept just now
        done = gather(archive, size=1)
        assert ([drop.kept.top.digest for drop in done.drops], done.alone) == ([ONE.digest], False)
        assert blobs(archive) == all_of(ONE)
        holder.communicate("\n")
    assert gather(archive).blobs == 0
    assert gather(archive, now=1.1).blobs == len(all_of(ONE))


def test_what_was_saved_again_while_gc_had_its_plan_keeps_its_name(archive: Archive) -> None:
    keep(archive, ONE, "tests/one:1", 200)
    with start(HOLDER, str(archive.path), ONE.digest.hex) as holder:
        assert holder.stdout and holder.stdout.readline() == "True\n"
        assert gather(archive, size=1).drops == ()  # the claim may be younger than the plan
        holder.communicate("\n")
    assert len(archive.refs()) == 1


def start(script: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_entries_of_other_tools_stay(archive: Archive) -> None:
    ONE.put_into(archive, "x")
    index = json.loads((archive.path / "index.json").read_text())
    del index["manifests"][0]["annotations"]
    (archive.path / "index.json").write_text(json.dumps(index))
    gather(archive, now=100, size=1)
    assert blobs(archive) == all_of(ONE)


def test_abandoned_downloads_go_and_running_ones_stay(archive: Archive) -> None:
    partial, ingest = archive.path / "partial", archive.path / "ingest"
    ingest.mkdir(exist_ok=True)
    for name in ("old", "young", "running"):
        (partial / name).write_bytes(b"12345")
    for name in ("old", "running"):
        os.utime(partial / name, (1, 1))
    ONE.put_into(archive, "x")
    (ingest / "dead").write_bytes(b"123")
    (partial / ONE.digest.hex).write_bytes(b"1")  # done by another way meanwhile
    with files.locked(partial / "running"):
        assert gather(archive, dry_run=True).files == 3
        assert len(list(ingest.iterdir())) == 1
        done = gather(archive)
    assert (done.files, done.freed) == (3, 9)
    assert {path.name for path in partial.iterdir()} == {"young", "running"}


def test_nothing_goes_while_what_stays_is_damaged(archive: Archive) -> None:
    keep(archive, ONE, "tests/one:1", 2)
    keep(archive, TWO, "tests/two:1", 1)
    archive.blob_path(TWO.digest).write_bytes(b"{}")
    before = blobs(archive), archive.refs()
    with pytest.raises(ArchiveError, match=r"tests/two:1.* can't be told"):
        gather(archive, now=2, size=100_000)
    assert (blobs(archive), archive.refs()) == before


def test_nothing_goes_where_the_list_of_names_is_gone(archive: Archive) -> None:
    ONE.put_into(archive, "x")
    (archive.path / "index.json").unlink()
    with pytest.raises(ArchiveError, match="list of names is gone"):
        gather(archive, now=2)
    assert blobs(archive) == all_of(ONE)


def test_taking_stock_reads_no_layer(archive: Archive) -> None:
    ONE.put_into(archive, "x")
    for layer in ONE.layers():
        archive.blob_path(layer).write_bytes(b"damaged")  # whoever reads it is told so
    (kept,) = take_stock(archive)
    assert (kept.damage, kept.missing) == ("", 0)


# Saves images that share layers, and looks each time, with the archive still, that what has a name is whole.
SAVER = """
import random, sys, time
from pathlib import Path
from buildbox.archive import files, savers
from buildbox.archive.layout import Archive
from tests.support.images import make_image
archive = Archive.open(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
images = [make_image({"base": b"b"}, {"base%d" % (n % 2): b"b"}, {"own": b"%d" % n}) for n in range(4)]
pinned = make_image({"base": b"b"}, {"pinned": sys.argv[2].encode()})
print(pinned.digest, flush=True)
sys.stdin.readline()
for turn in range(60):
    image = chance.choice(images)
    image.put_into(archive, f"docker.io/x/y:{turn % 5}@{image.digest}")
    pinned.put_into(archive, f"docker.io/x/pinned:{sys.argv[2]}@{pinned.digest}")
    with files.locked(archive.path / "lock"):
        refs = archive.refs()
        assert pinned.digest in {top.digest for _, top in refs}, "dropped what is needed"
        for name, top in refs:
            for each in (*images, pinned):
                if each.digest == top.digest:
                    missing = [d for d in (*each.blobs, *each.manifests) if not archive.has(d)]
                    assert not missing, (turn, name, missing)
    archive.drop([f"docker.io/x/pinned:{sys.argv[2]}@{pinned.digest}"])
    if chance.random() < 0.7:
        savers.end(archive.path)
        time.sleep(chance.uniform(0, 0.03))
"""
COLLECTOR = """
import sys, time
from pathlib import Path
from buildbox.archive.gc import collect
from buildbox.archive.layout import Archive
from buildbox.archive.plan import Limits
from buildbox.digest import Digest
archive = Archive.open(Path(sys.argv[1]))
also = [Digest.parse(text) for text in sys.argv[2:]]
rounds = blobs = 0
print("ready", flush=True)
while not Path(sys.argv[1], "stop").exists():
    done = collect(archive, archive.path.parent, Limits(size=1), time.time(), dry_run=False, also=also)
    rounds, blobs = rounds + 1, blobs + done.blobs
    time.sleep(0.005)
print(rounds, blobs)
"""


def test_what_is_saved_beside_gc_is_whole(archive: Archive) -> None:
    saving = [start(SAVER, str(archive.path), "1"), start(SAVER, str(archive.path), "2")]
    pins = [saver.stdout.readline().strip() for saver in saving if saver.stdout]
    collectors = [start(COLLECTOR, str(archive.path), *pins) for _ in range(2)]
    for collector in collectors:
        assert collector.stdout and collector.stdout.readline() == "ready\n"
    for saver in saving:
        assert saver.stdin
        saver.stdin.write("\n")
        saver.stdin.flush()
    assert [saver.wait(120) for saver in saving] == [0, 0]
    (archive.path / "stop").touch()
    removed = 0
    for collector in collectors:
        out, _ = collector.communicate(timeout=60)
        assert collector.returncode == 0
        removed += int(out.split()[1])
    assert removed > 20  # it had something to do meanwhile
    assert all(not kept.missing for kept in take_stock(archive))
    for path in archive.blobs.iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
