"""What a single disk and a single user can't show: other disks, full ones, and files of others."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildbox.digest import CHUNK
from buildbox.trees.faults import TreeError
from buildbox.trees.packing import pack, unpack
from buildbox.trees.placed import is_placed
from buildbox.trees.placing import place
from buildbox.trees.stage import remove, settle, stage_files
from buildbox.trees.taking import take
from tests.support.project import let_others_pass
from tests.support.trees import STRANGER, as_stranger, file, link, program, seen, write

MEMORY = Path("/dev/shm")
LARGE = "x" * (CHUNK * 3)
FILES = {"dist/a": "1", "dist/b*": LARGE, "dist/l@": "a"}
ENTRIES = [file("dist/a", "1"), program("dist/b", LARGE), link("dist/l", "a")]
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away, and mount")


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one disk")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("since", [0.0, 2.0**40])
def test_a_tree_is_staged_from_another_disk(tmp_path: Path, other_disk: Path, since: float) -> None:
    stage_files(write(other_disk / "root", FILES), ENTRIES, tmp_path / "to", since=since)
    assert seen(tmp_path / "to") == FILES


def test_outputs_come_from_another_disk(tmp_path: Path, other_disk: Path) -> None:
    write(other_disk / "stage", FILES)
    root, record = write(tmp_path / "root", {"dist/old": "1"}), tmp_path / "record"
    taken = take(other_disk / "stage", ["dist/"], tmp_path / "taken")
    assert list(taken.entries) == ENTRIES
    assert seen(tmp_path / "taken") == FILES
    taken = take(tmp_path / "taken", ["dist/"], other_disk / "back")
    place(taken, root, record, ["dist/"])
    assert seen(root) == FILES
    assert is_placed(taken.entries, root, record)


@needs_root
def test_a_full_disk_is_named_and_changes_nothing(tmp_path: Path) -> None:
    root = write(tmp_path / "root", FILES)
    with small_disk(tmp_path / "small", 2 * CHUNK) as small:
        with pytest.raises(TreeError, match="there is no space left") as raised:
            stage_files(root, ENTRIES, small / "one", since=2.0**40)
        assert raised.value.hint == "Free some space there and run the command again."
        remove(small / "one")
        with pytest.raises(TreeError, match="there is no space left"):
            stage_files(root, ENTRIES, small / "two", since=0)
        remove(small / "two")
        with pytest.raises(TreeError, match="there is no space left"):
            unpack(pack(root, ENTRIES, epoch=0, owner=(0, 0)), small / "three")
        remove(small / "three")
        with pytest.raises(TreeError, match="there is no space left"):
            take(root, ["dist/"], small / "four")
        remove(small / "four")

        project = write(small / "project", {"dist/a": "old", "dist/c": "old"})
        taken = take(write(small / "stage", {"dist/a": "new"}), ["dist/"], small / "taken")
        with filled(small / "filler"):
            record = project / ".buildbox/outputs/test.json"
            with pytest.raises(TreeError, match="there is no space left"):
                place(taken, project, record, ["dist/"])
            assert seen(project) == {"dist/a": "old", "dist/c": "old"}
        place(taken, project, record, ["dist/"])
        assert seen(project) == {"dist/a": "new"}


@contextmanager
def filled(filler: Path) -> Iterator[None]:
    """The disk of `filler` is full in the block."""
    with open(filler, "wb", buffering=0) as taken:
        try:
            while taken.write(bytes(1 << 12)):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@needs_root
def test_what_belongs_to_another_user_is_named(tmp_path: Path) -> None:
    write(tmp_path / "stage", {"mine": "1", "roots/a": "1", "other": "2"})
    let_others_pass(tmp_path)
    for path in (tmp_path, tmp_path / "stage"):
        os.chown(path, STRANGER, STRANGER)
    with pytest.raises(RuntimeError, match=r"roots/a can't be removed: Permission denied"):
        as_stranger(lambda: remove(tmp_path / "stage"))
    assert seen(tmp_path / "stage") == {"roots/a": "1"}


@needs_root
def test_outputs_of_another_user_become_the_callers_or_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "stage", {"dist/root": "1"})
    let_others_pass(tmp_path)
    for path in (tmp_path, tmp_path / "stage"):
        os.chown(path, STRANGER, STRANGER)
    as_stranger(lambda: take(tmp_path / "stage", ["dist/"], tmp_path / "to"))
    assert (tmp_path / "to/dist/root").stat().st_uid == STRANGER
    (tmp_path / "stage/dist/root").chmod(0o600)
    with pytest.raises(
        RuntimeError, match=r"OutputRefused(.|\n)*dist/root belongs to user 0 and can't be read by you"
    ):
        as_stranger(lambda: take(tmp_path / "stage", ["dist/"], tmp_path / "to2"))


@needs_root
@pytest.mark.parametrize("at_once", [True, False])
def test_a_stage_is_given_to_the_tasks_user(tmp_path: Path, at_once: bool) -> None:
    root, owner = write(tmp_path / "root", {**FILES, "x/": ""}), (STRANGER, STRANGER + 1)
    given = {"epoch": 5, "owner": owner} if at_once else {}
    stage_files(root, ENTRIES, tmp_path / "to", since=0, **given)  # type: ignore[arg-type]
    settle(tmp_path / "to", 5, owner)
    states = [path.lstat() for path in (tmp_path / "to", *(tmp_path / "to").rglob("*"))]
    assert {(state.st_uid, state.st_gid) for state in states} == {owner}
    assert (root / "dist/a").stat().st_uid == os.getuid()
