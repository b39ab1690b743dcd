"""Statements in an archive: listed, checked, mended, collected, and what they hold while they are to stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buildbox.archive import savers
from buildbox.archive.gc import Collected, collect
from buildbox.archive.hashing import hash_all
from buildbox.archive.layout import Archive
from buildbox.archive.marks import all_marks
from buildbox.archive.plan import Limits
from buildbox.archive.results import Result, extract, find_result
from buildbox.archive.soundness import examine
from buildbox.archive.statements import (
    KeptStatement,
    all_statements,
    find_statements,
    keep_statement,
    set_kept,
    statements_of,
)
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.progress import Silent
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Need, UsedImage
from tests.support import results
from tests.support.images import AMD64, MadeImage, make_image, make_index
from tests.support.kept_statements import A_FILE, envelope_of, keep
from tests.support.project import Project
from tests.support.statements import a_statement

DAY = 86400
IMAGE = make_index(make_image({"data": os.urandom(3000)}, platform=AMD64))
NAME = f"docker.io/tests/x:1@{IMAGE.digest}"


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


def used(image: MadeImage) -> UsedImage:
    """What a statement says of an index that has one image."""
    (manifest,) = (digest for digest in image.manifests if digest != image.digest)
    config = json.loads(image.manifests[manifest][1])["config"]["digest"]
    return UsedImage(NAME.replace("docker.io/", ""), image.digest, manifest, Digest.parse(config), AMD64)


def age(archive: Archive, days: float) -> None:
    """All that is there now has been there for `days`."""
    then = time.time() - days * DAY
    for path in archive.blobs.iterdir():
        os.utime(path, (then, then))
    for path in (archive.path / "results").iterdir():
        os.utime(path, (then, then))


def build(archive: Archive, scratch: Path, *, stays: bool) -> tuple[Result, Result, KeptStatement]:
    """A needed result whose place another has taken since, one that was built from it, and the statement."""
    IMAGE.put_into(archive, NAME)
    needed = results.keep(archive, scratch, 1, {"first": os.urandom(1000)})
    results.keep(archive, scratch, 1, {"second": os.urandom(1000)}, now=results.NOW + 1)
    built = results.keep(archive, scratch, 2, {"out": os.urandom(1000)})
    need = Need("deps", needed.tree, needed.fingerprint, needed.manifest)
    kept = keep(archive, time.time(), keep=stays, result=built.manifest, needs=(need,), image=used(IMAGE))
    age(archive, 100)
    savers.end(archive.path)
    return needed, built, kept


def gather(archive: Archive, days: float | None = 30, *, dry_run: bool = False) -> Collected:
    limits = Limits(None if days is None else days * DAY)
    return collect(archive, archive.path.parent, limits, time.time(), dry_run=dry_run)


def test_what_is_to_stay_stays_with_all_that_it_takes_to_reproduce_it(
    archive: Archive, scratch: Path
) -> None:
    needed, built, kept = build(archive, scratch, stays=True)
    seen = gather(archive, dry_run=True)
    done = gather(archive)
    assert [drop.kept.step for drop in done.drops] == [drop.kept.step for drop in seen.drops] == ["build"]
    assert (done.blobs, done.alone) == (seen.blobs, True)
    assert tuple(all_statements(archive)) == (kept,)
    assert [name for name, _ in archive.refs()] == [NAME]
    assert find_result(archive, built.fingerprint) == built
    assert find_result(archive, needed.fingerprint) is None  # the one that took its place was too old
    extract(archive, needed, scratch)
    assert (scratch / "first").exists()
    set_kept(archive, kept.manifest, False)
    done = gather(archive)
    assert {drop.kept.kind for drop in done.drops} == {"image", "result", "provenance"}
    age_of_blobs_is_over = [path.name for path in archive.blobs.iterdir()]
    assert needed.manifest.hex in age_of_blobs_is_over  # nothing named it, so it is left for a day
    assert built.manifest.hex not in age_of_blobs_is_over


def test_what_nobody_asked_to_stay_holds_nothing_and_goes_by_age(archive: Archive, scratch: Path) -> None:
    _, built, kept = build(archive, scratch, stays=False)
    done = gather(archive, 200)
    assert done.drops == ()
    done = gather(archive)
    assert {drop.kept.kind for drop in done.drops} == {"image", "result", "provenance"}
    assert tuple(all_statements(archive)) == ()
    assert not archive.has(kept.manifest)
    assert find_result(archive, built.fingerprint) is None


def test_one_on_a_result_that_is_still_used_stays_with_it(archive: Archive, scratch: Path) -> None:
    built = results.keep(archive, scratch, 2)
    for run in ("one", "two"):
        keep_statement(
            archive,
            statement_bytes(a_statement(run=run)),
            fingerprint=built.fingerprint,
            result=built.manifest if run == "one" else None,
            now=time.time(),
        )
    keep(archive, time.time())
    age(archive, 100)
    assert find_result(archive, built.fingerprint, time.time()) == built
    savers.end(archive.path)
    gather(archive)
    assert [kept.fingerprint for kept in all_statements(archive)] == [built.fingerprint] * 2


def test_a_damaged_one_that_is_to_stay_is_mended_before_anything_is_collected(
    project: Project, archive: Archive, scratch: Path
) -> None:
    _, _, kept = build(archive, scratch, stays=True)
    archive.blob_path(Digest.of(kept.data)).write_bytes(b"other")
    with pytest.raises(ArchiveError, match="needs can't be told"):
        gather(archive)
    assert [name for name, _ in archive.refs()] == [NAME]
    repaired = json.loads(project.ok("--json", "archive", "check", "--repair"))
    assert repaired["statements-dropped"] == 1
    assert project.ok("archive", "check") == ""
    assert len(gather(archive).drops) == 3


@pytest.mark.parametrize("how", ["damaged", "newer"])
def test_one_that_cant_be_read_can_be_let_go_by_its_id(project: Project, archive: Archive, how: str) -> None:
    if how == "damaged":
        kept = keep(archive, keep=True)
        archive.blob_path(kept.manifest).write_bytes(b"{}")
    else:
        data = b'{"subject": [], "novelty": 1}'
        kept = keep_statement(archive, data, fingerprint=A_FILE, result=None, now=time.time(), keep=True)
    refused = project.run("archive", "gc")
    assert refused.status == 123
    assert f"buildbox log --no-keep {kept.manifest.short}" in refused.err
    project.ok("log", "--no-keep", kept.manifest.short)
    project.ok("archive", "gc")
    assert len(all_marks(archive)) == (how == "newer")


def test_a_damaged_one_that_nobody_asked_for_is_in_nobodys_way(project: Project, archive: Archive) -> None:
    whole, spoilt = keep(archive), keep(archive, run="spoilt")
    archive.blob_path(spoilt.manifest).write_bytes(b"{}")
    assert "1 statement (damaged)" in project.ok("archive", "gc")
    assert tuple(all_statements(archive)) == (whole,)
    assert json.loads(project.ok("--json", "archive", "gc"))["statements-dropped"] == 0


def test_they_are_counted_and_listed_when_asked_for(project: Project, archive: Archive) -> None:
    old = keep(archive, time.time() - 50 * DAY, run="old", keep=True)
    bare = keep(archive, time.time() - DAY)
    new = keep(archive, envelope=envelope_of(bare.data))
    value = json.loads(project.ok("--json", "archive", "list"))
    assert (value["provenance"]["count"], value["provenance"]["size"] > 4000) == (2, True)
    assert value["loose"] == archive.size(bare.manifest)
    assert "2 statements on them" in project.run("archive", "list").err
    rows = [line.split() for line in project.ok("archive", "list", "--provenance").splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        [each.manifest.short, "package", each.fingerprint.short] for each in (old, new)
    ]
    assert [row[-2:] for row in rows[1:]] == [["-", "yes"], ["yes", "-"]]
    listed = json.loads(project.ok("--json", "archive", "list", "--provenance"))["provenance"]
    assert [(each["digest"], each["signed"], each["stays"], each["damage"]) for each in listed] == [
        (str(old.manifest), False, True, None),
        (str(new.manifest), True, False, None),
    ]
    assert project.run("archive", "list", "--provenance", "--results").status == 2


def test_check_reads_them_and_repair_drops_those_that_nobody_has(project: Project, archive: Archive) -> None:
    whole, changed, gone = (keep(archive, run=name) for name in ("whole", "changed", "gone"))
    (mark,) = (archive.path / "provenance").glob(f"*.{keep(archive, run='mark').manifest.hex}")
    mark.write_bytes(b"nonsense")
    archive.blob_path(Digest.of(changed.data)).write_bytes(b"other")
    archive.blob_path(gone.manifest).unlink()
    result = project.run("--json", "archive", "check")
    assert result.status == 123
    value = json.loads(result.out)
    assert {(fault["role"], fault["state"], *fault["images"]) for fault in value["faults"]} == {
        ("file", "damaged", f"provenance@{changed.manifest}"),
        ("manifest", "missing", f"provenance@{gone.manifest}"),
        ("provenance", "wrong", f"provenance@{mark.name[65:]}".replace("@", "@sha256:")),
    }
    assert value["statements"] == 4
    repaired = json.loads(project.ok("--json", "archive", "check", "--repair"))
    assert repaired["statements-dropped"] == 3
    assert find_statements(archive, A_FILE) == (whole,)
    assert "1 statement" in project.run("archive", "check").err


def test_a_list_of_names_that_is_made_anew_takes_no_statement_for_an_image(
    project: Project, archive: Archive
) -> None:
    IMAGE.put_into(archive, NAME)
    kept = keep(archive)
    (archive.path / "index.json").write_text("{")
    project.ok("archive", "check", "--repair")
    assert [top.digest for _, top in archive.refs()] == [IMAGE.digest]
    assert tuple(all_statements(archive)) == (kept,)


COLLECTOR = """
import sys, time
from pathlib import Path
from buildbox.archive.gc import collect
from buildbox.archive.layout import Archive
from buildbox.archive.marks import all_marks
from buildbox.archive.plan import Limits
archive = Archive.open(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    collect(archive, archive.path.parent, Limits(age=3600), time.time(), dry_run=False)
"""


def test_what_a_statement_is_made_of_is_not_collected_while_it_is_kept(archive: Archive) -> None:
    """Collecting, again and again, beside one who keeps statements, signs them and has them stay."""
    process = subprocess.Popen(
        [sys.executable, "-c", COLLECTOR, str(archive.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        for number in range(25):
            bare = keep(archive, time.time(), run=f"run {number}")
            keep(archive, time.time(), run=f"run {number}", envelope=envelope_of(bare.data))
            set_kept(archive, statements_of(archive, bare.fingerprint)[0].manifest, True)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    found = tuple(all_statements(archive))
    assert len(found) == 25
    assert all(kept.envelope and kept.kept for kept in found)
    assert examine(archive, hash_all(archive, Silent()), AMD64).ok
