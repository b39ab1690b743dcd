from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from buildbox.digest import CHUNK
from buildbox.trees.entry import Entry
from buildbox.trees.faults import Changed, TreeError
from buildbox.trees.stage import remove, settle, stage_files
from tests.support.project import let_others_pass
from tests.support.trees import STRANGER, as_stranger, file, folder, link, program, seen, write

LARGE = "x" * (CHUNK * 2 + 1)
EPOCH = 315532800
FILES = {
    "a": "1",
    "b/c*": "#!",
    "b/l@": "c",
    "b/out@": "/etc/passwd",
    "d/e/f/": "",
    "large": LARGE,
    "empty": "",
}
ENTRIES = [
    file("a", "1"),
    program("b/c", "#!"),
    link("b/l", "c"),
    link("b/out", "/etc/passwd"),
    folder("d/e/f"),
    file("empty"),
    file("large", LARGE),
]


@pytest.fixture(params=[0.0, time.time() + 1000], ids=["hashed", "trusted"])
def since(request: pytest.FixtureRequest) -> float:
    """0: every file is hashed; later than all ctimes: none is."""
    return float(request.param)


def test_a_stage_holds_exactly_its_entries(tmp_path: Path, since: float) -> None:
    root = write(tmp_path / "root", {**FILES, "other": "not an input", "b/other": "neither"})
    stage_files(root, ENTRIES, tmp_path / "to", since=since)
    assert seen(tmp_path / "to") == FILES


def test_entries_may_be_made_when_they_are_asked_for(tmp_path: Path) -> None:
    class Tree:
        def entries(self) -> list[Entry]:
            return ENTRIES

    stage_files(write(tmp_path / "root", FILES), Tree(), tmp_path / "to", since=0)
    assert seen(tmp_path / "to") == FILES


def test_two_trees_may_share_folders(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a/b/c": "1", "a/b/d": "2"})
    for entry in (file("a/b/c", "1"), file("a/b/d", "2")):
        stage_files(root, [entry], tmp_path / "to", since=0)
    assert seen(tmp_path / "to") == {"a/b/c": "1", "a/b/d": "2"}


def test_a_copy_is_a_file_of_its_own(tmp_path: Path, since: float) -> None:
    root = write(tmp_path / "root", {"a": "1", "large": LARGE})
    stage_files(root, [file("a", "1"), file("large", LARGE)], tmp_path / "to", since=since)
    for name in ("a", "large"):
        (tmp_path / "to" / name).write_text("written by the task")
    assert seen(root) == {"a": "1", "large": LARGE}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"a": "2"}, "a"),
        ({"large": "y" * len(LARGE)}, "large"),
        ({"b/l@": "d"}, "b/l"),
    ],
    ids=["file", "large", "link"],
)
def test_another_content_of_the_same_size_is_noticed(
    tmp_path: Path, change: dict[str, str], name: str
) -> None:
    root = write(tmp_path / "root", FILES)
    (root / name).unlink()
    write(root, change)
    with pytest.raises(Changed, match=f"^{name} changed"):
        stage_files(root, ENTRIES, tmp_path / "to", since=0)


def test_what_changed_since_it_was_hashed_is_noticed(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a": "1", "b": "1"})
    since = (root / "b").stat().st_ctime + 0.01
    time.sleep(0.05)
    (root / "b").write_text("2")
    with pytest.raises(Changed, match=r"^b changed"):
        stage_files(root, [file("a", "1"), file("b", "1")], tmp_path / "to", since=since)


@pytest.mark.parametrize("kind", ["gone", "longer", "shorter", "folder", "fifo", "link", "mode"])
@pytest.mark.parametrize("name", ["a", "large"])
def test_another_kind_of_file_is_noticed(tmp_path: Path, since: float, kind: str, name: str) -> None:
    root = write(tmp_path / "root", FILES)
    path = root / name
    content = path.read_text()
    path.unlink()
    if kind == "longer":
        path.write_text(f"{content} ")
    elif kind == "shorter":
        path.write_text(content[:-1])
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        (root / "same").write_text(content)
        path.symlink_to("same")
    elif kind == "mode":
        path.write_text(content)
        path.chmod(0o755)
    with pytest.raises(Changed, match=f"^{name} changed"):
        stage_files(root, ENTRIES, tmp_path / "to", since=since)


def test_a_link_in_the_middle_of_a_path_is_not_followed(tmp_path: Path, since: float) -> None:
    root = write(tmp_path / "root", {"b@": "../elsewhere"})
    write(tmp_path / "elsewhere", {"c*": "#!"})
    with pytest.raises(Changed, match=r"^b/c changed"):
        stage_files(root, [program("b/c", "#!")], tmp_path / "to", since=since)


def test_a_path_that_goes_up_reaches_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"root/b/": "", "secret/a": "1"})
    with pytest.raises(Changed):
        stage_files(tmp_path / "root", [file("../secret/a", "1")], tmp_path / "to", since=0)


def test_a_stage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a": "1"})
    with pytest.raises(TreeError) as raised:
        stage_files(root, [file("a", "1")], root / "a", since=0)
    assert "can't be written: File exists" in raised.value.reason


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a": "1"})
    let_others_pass(tmp_path)
    tmp_path.chmod(0o777)
    (root / "a").chmod(0o000)
    if os.getuid() == 0:
        os.chown(root / "a", STRANGER, STRANGER)
    with pytest.raises((RuntimeError, TreeError), match="a can't be read: Permission denied"):
        as_stranger(lambda: stage_files(root, [file("a", "1")], tmp_path / "to", since=0))


def test_settled_is_settled(tmp_path: Path) -> None:
    to = write(tmp_path / "to", FILES)
    (to / "a").chmod(0o600)
    (to / "b/c").chmod(0o4770)
    (to / "d").chmod(0o2700)
    settle(to, EPOCH, None)
    for path in (to, *to.rglob("*")):
        state = path.lstat()
        assert state.st_mtime_ns == EPOCH * 10**9, path
        if not path.is_symlink():
            wanted = 0o755 if path.is_dir() or path.name == "c" else 0o644
            assert stat.S_IMODE(state.st_mode) == wanted, path


def test_files_that_are_staged_with_an_epoch_are_as_if_settled(tmp_path: Path) -> None:
    root, umask = write(tmp_path / "root", FILES), os.umask(0o077)
    try:
        stage_files(root, ENTRIES, tmp_path / "one", since=0, epoch=EPOCH)
        settle(tmp_path / "one", EPOCH, None)
        stage_files(root, ENTRIES, tmp_path / "two", since=0)
        settle(tmp_path / "two", EPOCH, None)
    finally:
        os.umask(umask)

    def facts(top: Path) -> list[tuple[str, int, int]]:
        paths = [top, *sorted(top.rglob("*"))]
        states = [(str(path.relative_to(top)), path.lstat()) for path in paths]
        return [(name, state.st_mode, state.st_mtime_ns) for name, state in states]

    assert facts(tmp_path / "one") == facts(tmp_path / "two")


def test_a_removed_tree_is_gone_and_nothing_else(tmp_path: Path) -> None:
    kept = write(tmp_path / "kept", {"a": "1"})
    write(tmp_path / "gone", {**FILES, "l@": "../kept", "x/y/z": "1"})
    os.mkfifo(tmp_path / "gone/fifo")
    for name in ("x/y/z", "x/y", "x"):
        (tmp_path / "gone" / name).chmod(0)
    let_others_pass(tmp_path)
    if os.getuid() == 0:
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.lchown(path, STRANGER, STRANGER)
    as_stranger(lambda: remove(tmp_path / "gone"))
    assert seen(tmp_path) == {"kept/a": "1"}
    assert seen(kept) == {"a": "1"}
    remove(tmp_path / "gone")  # nothing is there: nothing to do
    remove(tmp_path / "never/was")


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for number in range(400):
        os.mkdir("d" * 200, dir_fd=at)
        os.close(os.open("f", os.O_CREAT, 0o600, dir_fd=at))
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        if number % 7 == 0:
            os.fchmod(at, 0)
        os.close(at)
        at = below
    os.close(at)
    remove(top)
    assert list(tmp_path.iterdir()) == []
