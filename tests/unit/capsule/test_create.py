"""Capsules of builds that never ran: what is in them, and when none is made."""

from __future__ import annotations

import errno
import fcntl
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.images import full_name
from buildbox.archive.layout import BlobDamaged
from buildbox.archive.results import Result, find_result
from buildbox.capsule.create import Made
from buildbox.capsule.opening import open_capsule
from buildbox.capsule.write import aside
from buildbox.digest import Digest
from buildbox.errors import CantTell, Mismatch, UsageError
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Need, UsedImage
from buildbox.rebuilding.subject import Chosen
from buildbox.reference import ImageRef
from tests.support.capsules import NAME, Sample, Source, contents, sample
from tests.support.images import AMD64, make_image
from tests.support.statements import a_step


@pytest.fixture
def made(tmp_path: Path) -> Sample:
    return sample(tmp_path / "sample")


def test_the_same_state_gives_the_same_bytes(made: Sample, tmp_path: Path) -> None:
    told = made.create(tmp_path / "a.tar")
    made.create(tmp_path / "b.tar")
    data = (tmp_path / "a.tar").read_bytes()
    assert data == (tmp_path / "b.tar").read_bytes()
    image = made.statement.image.reference
    left_out = ("the commit: there was none; the inputs are there as files",)
    assert told == Made((made.statement,), (image,), left_out, len(data))


def test_any_tar_reads_it(made: Sample, tmp_path: Path) -> None:
    made.create(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
        assert {(each.mode, each.uid, each.gid, each.mtime, each.type) for each in tar} == {
            (0o644, 0, 0, 0, tarfile.REGTYPE)
        }
    assert names[:3] == ["README.md", "oci-layout", "index.json"]
    assert names[3:] == sorted(names[3:])


def test_the_readme_tells_whoever_finds_it(made: Sample, tmp_path: Path) -> None:
    made.create(tmp_path / "a.tar")
    found = contents(tmp_path / "a.tar")
    text = found.members["README.md"].decode()
    for output in made.statement.outputs[:1]:
        assert f"    {output.digest}  {output.path}" in text
    assert "buildbox reproduce" in text
    assert f"oci:.:{made.statement.image.reference}" in text
    assert "--entrypoint make tools:again dist" in text
    assert "-e LEVEL=2" in text
    assert "there was no commit of its source" in text
    (blob,) = [line.split("/")[2][:64] for line in text.splitlines() if line.startswith("- inputs:")]
    assert f"blobs/sha256/{blob}" in found.members


def test_the_readme_stays_text_whatever_a_task_is_called(made: Sample, tmp_path: Path) -> None:
    step = replace(made.statement.step, name="x\N{SNOWMAN}", argv=("sh", "-c", "a\nb'c\x1b[31m"))
    statement = replace(made.statement, step=step)
    statement = replace(statement, fingerprint=statement.fingerprint_with({}))
    made.create(tmp_path / "a.tar", chosen=[Chosen(statement, statement_bytes(statement), None)])
    text = contents(tmp_path / "a.tar").members["README.md"].decode()
    assert "tools:again -c $'a\\nb\\'c\\x1b[31m'" in text
    assert "\x1b" not in text


def test_by_hand_each_build_runs_in_its_own_image(made: Sample, tmp_path: Path) -> None:
    """Two that are loaded under the same name, and all builds would run in the second."""
    image = make_image({"other": b"tools"})
    image.put_into(made.archive)
    ref = ImageRef.parse(f"{NAME}@{image.digest}")
    made.archive.keep(image.top, full_name(ref, image.digest))
    config = Digest.parse(image.document()["config"]["digest"])  # type: ignore[index]
    step = made.statement.step
    other = replace(
        made.statement,
        step=replace(step, toolchain=replace(step.toolchain, image=ref)),
        image=UsedImage(str(ref), None, image.digest, config, AMD64),
    )
    other = replace(other, fingerprint=other.fingerprint_with({}))
    builds = [made.statement, other, replace(made.statement, run="again")]
    made.create(tmp_path / "a.tar", chosen=[Chosen(each, statement_bytes(each), None) for each in builds])
    lines = contents(tmp_path / "a.tar").members["README.md"].decode().splitlines()
    loaded = [line.split()[2:] for line in lines if line.startswith("    skopeo")]
    assert loaded == [
        [f"oci:.:{made.statement.image.reference}", "docker-daemon:tools:again"],
        [f"oci:.:{ref}", "docker-daemon:tools:again-1"],
    ]
    runs = [line.split()[2] for line in lines if line.strip().startswith("--entrypoint")]
    assert runs == ["tools:again", "tools:again-1", "tools:again"]


def test_all_that_is_missing_is_told_at_once(made: Sample, tmp_path: Path) -> None:
    image = UsedImage(
        f"registry.example.com/gone:1@{Digest.of(b'gone')}",
        None,
        Digest.of(b"gone"),
        Digest.of(b"config"),
        made.statement.image.platform,
    )
    toolchain = replace(made.statement.step.toolchain, image=a_step().toolchain.image)
    statement = replace(
        made.statement,
        step=replace(
            made.statement.step,
            toolchain=toolchain,
            task=replace(made.statement.step.task, network="bridge"),
        ),
        image=image,
        needs=(
            Need("deps", Digest.of(b"tree"), Digest.of(b"fingerprint"), Digest.of(b"result")),
            Need("codegen", Digest.of(b"tree")),
        ),
    )
    with pytest.raises(CantTell) as caught:
        made.create(
            tmp_path / "a.tar",
            chosen=[Chosen(statement, b"", None)],
            supply=Source(made.archive, made.supply.root, gone=True),
            missing=["lint: it hasn't run"],
        )
    said = "\n".join(caught.value.missing)
    for words in (
        "lint: it hasn't run",
        "had a network (bridge)",
        "registry.example.com/tools:1@",
        "the result of deps",
        "the outputs of codegen, which worked in the project's own folder",
        "commit 1234 is gone",
    ):
        assert words in said
    assert list(tmp_path.glob("*.tar*")) == []


def test_a_needed_result_comes_from_elsewhere(made: Sample, tmp_path: Path) -> None:
    manifest = made.archive.blob_path(made.need.manifest)
    data = manifest.read_bytes()
    manifest.unlink()
    asked: list[Digest] = []

    def pull(fingerprint: Digest) -> Result | None:
        asked.append(fingerprint)
        manifest.write_bytes(data)
        return find_result(made.archive, fingerprint)

    made.create(tmp_path / "a.tar", pull=pull)
    assert asked == [made.need.fingerprint]
    opened = open_capsule(tmp_path / "a.tar", tmp_path / "into")
    assert find_result(opened.archive, made.need.fingerprint) == made.need


def test_a_check_comes_before_the_name(made: Sample, tmp_path: Path) -> None:
    to, seen = tmp_path / "a.tar", []

    def check(path: Path) -> None:
        seen.append((to.exists(), len(open_capsule(path, tmp_path / "into").builds)))
        raise Mismatch("it isn't the same")

    with pytest.raises(Mismatch, match="isn't the same"):
        made.create(to, check=check)
    assert seen == [(False, 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "sample"]


def test_only_a_capsule_is_replaced(made: Sample, tmp_path: Path) -> None:
    to = tmp_path / "a.tar"
    to.write_bytes(b"my only copy")
    with pytest.raises(UsageError, match="is there, and is no capsule"):
        made.create(to)
    assert to.read_bytes() == b"my only copy"
    made.create(tmp_path / "b.tar")
    made.create(tmp_path / "b.tar")
    with pytest.raises(UsageError, match="can't be written"):
        made.create(tmp_path / "nowhere" / "a.tar")
    with pytest.raises(UsageError, match="is no capsule"):
        made.create(tmp_path)


def test_what_a_dead_call_left_is_taken_over(made: Sample, tmp_path: Path) -> None:
    part = tmp_path / ".a.tar.part"
    part.write_bytes(b"x" * 10_000_000)
    made.create(tmp_path / "a.tar")
    assert not part.exists()
    open_capsule(tmp_path / "a.tar", tmp_path / "into")
    handle = os.open(part, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="just being written"):
        made.create(tmp_path / "a.tar")
    os.close(handle)
    assert part.exists()


def test_a_damaged_archive_makes_none(made: Sample, tmp_path: Path) -> None:
    layer = made.archive.blob_path(made.image.layers()[0])
    layer.write_bytes(layer.read_bytes()[:-1] + b"x")
    with pytest.raises(BlobDamaged, match="has other bytes"):
        made.create(tmp_path / "a.tar")
    assert list(tmp_path.glob("*.tar*")) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written: No space left"), aside(tmp_path / "a.tar"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_what_another_call_writes_now_is_left_alone(tmp_path: Path) -> None:
    with aside(tmp_path / "a.tar") as (_, path):
        path.replace(tmp_path / "a.tar")
        path.write_bytes(b"another call's")
    assert path.read_bytes() == b"another call's"
