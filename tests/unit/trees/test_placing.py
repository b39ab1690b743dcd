from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildbox.trees.entry import Entry
from buildbox.trees.faults import TreeError
from buildbox.trees.placed import is_placed
from buildbox.trees.placing import place
from buildbox.trees.taking import Taken, take
from tests.support.project import let_others_pass
from tests.support.trees import STRANGER, as_stranger, seen, write

DIST = ("dist/",)
WHEELS = ("dist/*.whl",)


@dataclass
class Tree:
    """A working tree, and the results that are placed in it."""

    top: Path
    count: int = 0

    @property
    def root(self) -> Path:
        return self.top / "root"

    @property
    def record(self) -> Path:
        return self.root / ".buildbox/outputs/test.json"

    def taken(self, files: Mapping[str, str], outputs: Sequence[str]) -> Taken:
        self.count += 1
        stage = write(self.top / f"stage{self.count}", files)
        return take(stage, outputs, self.top / f"taken{self.count}")

    def place(self, files: Mapping[str, str], outputs: Sequence[str] = DIST) -> tuple[Entry, ...]:
        taken = self.taken(files, outputs)
        place(taken, self.root, self.record, outputs)
        assert is_placed(taken.entries, self.root, self.record)
        return taken.entries

    def refused(self, files: Mapping[str, str], outputs: Sequence[str] = DIST) -> str:
        """Why a result can't be placed; nothing changes then."""
        before, record = seen(self.root), self.record.read_bytes() if self.record.exists() else None
        with pytest.raises(TreeError) as raised:
            place(self.taken(files, outputs), self.root, self.record, outputs)
        assert seen(self.root) == before
        assert (self.record.read_bytes() if self.record.exists() else None) == record
        return raised.value.reason


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root").mkdir()
    return Tree(tmp_path)


def test_outputs_are_placed(tree: Tree) -> None:
    write(tree.root, {"a": "source"})
    files = {"dist/a": "1", "dist/b*": "#!", "dist/c/d/": "", "dist/l@": "a", "dist/e/f/g": "2"}
    tree.place(files)
    assert seen(tree.root) == {"a": "source", **files}


def test_a_folder_that_is_an_output_holds_nothing_else_afterwards(tree: Tree) -> None:
    write(tree.root, {"dist/mine": "1", "dist/sub/mine": "2", "dist/l@": "mine", "dist/empty/": "", "a": "3"})
    tree.place({"dist/x": "new"})
    assert seen(tree.root) == {"a": "3", "dist/x": "new"}


def test_what_patterns_take_away_from_a_folder_stays(tree: Tree) -> None:
    write(tree.root, {"dist/keep.md": "1", "dist/old": "2", "dist/sub/keep.md": "3"})
    tree.place({"dist/x": "new"}, ("dist/", "!**/*.md"))
    assert seen(tree.root) == {"dist/keep.md": "1", "dist/x": "new", "dist/sub/keep.md": "3"}


def test_outputs_by_wildcards_leave_other_files_alone(tree: Tree) -> None:
    write(tree.root, {"dist/mine.whl": "1", "dist/a.whl": "mine, in the way", "dist/notes": "2"})
    tree.place({"dist/a.whl": "new"}, WHEELS)
    assert seen(tree.root) == {"dist/mine.whl": "1", "dist/a.whl": "new", "dist/notes": "2"}


def test_what_an_earlier_result_left_goes(tree: Tree) -> None:
    outputs = ("dist/*.whl", "out/**/*.o", "log")
    tree.place({"dist/1.whl": "1", "out/a/b/c.o": "1", "out/d.o": "1", "log": "1"}, outputs)
    tree.place({"dist/2.whl": "2", "out/d.o": "2"}, outputs)
    assert seen(tree.root) == {"dist/2.whl": "2", "out/d.o": "2"}


def test_what_somebody_changed_since_stays(tree: Tree) -> None:
    tree.place({"dist/1.whl": "1", "dist/2.whl": "2", "dist/3.whl": "3"}, WHEELS)
    (tree.root / "dist/1.whl").write_text("mine")
    (tree.root / "dist/2.whl").unlink()
    (tree.root / "dist/2.whl").symlink_to("1.whl")
    tree.place({"dist/4.whl": "4"}, WHEELS)
    assert seen(tree.root) == {"dist/1.whl": "mine", "dist/2.whl@": "1.whl", "dist/4.whl": "4"}


def test_the_same_bytes_under_another_time_are_unchanged(tree: Tree) -> None:
    tree.place({"dist/1.whl": "1"}, WHEELS)
    os.utime(tree.root / "dist/1.whl", (1, 1))
    tree.place({"dist/2.whl": "2"}, WHEELS)
    assert seen(tree.root) == {"dist/2.whl": "2"}


def test_a_file_becomes_a_folder_and_back(tree: Tree) -> None:
    outputs = ("dist", "x*")
    tree.place({"dist": "1", "x": "1"}, outputs)
    tree.place({"dist/a/b": "2", "x/y/z": "2", "x2/": ""}, outputs)
    assert seen(tree.root) == {"dist/a/b": "2", "x/y/z": "2", "x2/": ""}
    tree.place({"dist/a": "3", "x/y": "3", "x2": "3"}, outputs)
    assert seen(tree.root) == {"dist/a": "3", "x/y": "3", "x2": "3"}
    tree.place({"dist": "4", "x": "4"}, outputs)
    assert seen(tree.root) == {"dist": "4", "x": "4"}


def test_what_is_in_the_way_is_named_before_anything_changes(tree: Tree) -> None:
    tree.place({"dist/old": "1", "x": "1"}, ("dist/", "x"))
    write(tree.root, {"lib": "a file", "bin/mine": "1"})
    reason = tree.refused({"dist/new": "2", "lib/a": "2", "bin": "2"}, ("dist/", "lib/a", "bin"))
    assert "lib is a file, but has to be a folder" in reason
    assert "bin is a folder with other files, but has to be a file" in reason


def test_a_folder_that_may_not_be_written_is_named_before_anything_changes(tree: Tree) -> None:
    write(tree.root, {"a/x": "1", "b/x": "1"})
    taken = tree.taken({"a/x": "2", "b/x": "2", "c/x": "2"}, ("*/x",))
    let_others_pass(tree.top)
    if os.getuid() == 0:
        for path in (tree.top, *tree.top.rglob("*")):
            os.lchown(path, STRANGER, STRANGER)
    (tree.root / "b").chmod(0o500)
    with pytest.raises((TreeError, RuntimeError), match="b is a folder that you may not write to"):
        as_stranger(lambda: place(taken, tree.root, tree.record, ("*/x",)))
    assert seen(tree.root) == {"a/x": "1", "b/x": "1"}


@pytest.mark.parametrize("outputs", [("dist/",), ("dist/*",), ("dist/a", "**/b")])
@pytest.mark.parametrize("target", ["../elsewhere", "inside"])
def test_a_link_on_the_way_is_not_followed(tree: Tree, outputs: Sequence[str], target: str) -> None:
    write(tree.top / "elsewhere", {"a": "not ours"})
    write(tree.root, {"inside/a": "1", "dist@": target})
    assert "dist is a link, but has to be a folder" in tree.refused({"dist/a": "new"}, outputs)
    assert seen(tree.top / "elsewhere") == {"a": "not ours"}


def test_a_link_where_a_file_goes_is_replaced(tree: Tree) -> None:
    write(tree.top, {"elsewhere": "not ours"})
    write(tree.root, {"dist/a.whl@": "../../elsewhere", "dist/b.whl/": ""})
    tree.place({"dist/a.whl": "new", "dist/b.whl": "new"}, WHEELS)
    assert seen(tree.root) == {"dist/a.whl": "new", "dist/b.whl": "new"}
    assert (tree.top / "elsewhere").read_text() == "not ours"


@pytest.mark.parametrize("pattern", [".git/", ".buildbox/", "**", "./", "../other/", "*/"])
def test_no_pattern_has_anything_but_outputs_removed(tree: Tree, pattern: str) -> None:
    write(tree.root, {".git/HEAD": "1", "src/a": "2"})
    write(tree.top, {"other/a": "3"})
    tree.place({"dist/a": "1"}, (pattern, "dist/"))
    assert seen(tree.root) == {".git/HEAD": "1", "src/a": "2", "dist/a": "1"}
    assert (tree.top / "other/a").exists()


@pytest.mark.parametrize(
    ("umask", "modes"), [(0o022, (0o644, 0o755)), (0o002, (0o664, 0o775)), (0o077, (0o600, 0o700))]
)
def test_modes_are_as_the_umask_has_them(tree: Tree, umask: int, modes: tuple[int, int]) -> None:
    before, then = os.umask(umask), time.time()
    try:
        tree.place({"dist/a": "1", "dist/b*": "2"})
    finally:
        os.umask(before)
    states = [(tree.root / "dist" / name).stat() for name in ("a", "b", "")]
    assert tuple(stat.S_IMODE(state.st_mode) for state in states) == (*modes, modes[1])
    assert all(then - 1 < state.st_mtime < time.time() + 1 for state in states)


@pytest.mark.parametrize("change", ["content", "mode", "gone", "added", "swapped", "link"])
def test_a_change_in_the_working_tree_is_seen(tree: Tree, change: str) -> None:
    entries = tree.place({"dist/a": "1", "dist/b/c": "2"})
    path = tree.root / "dist/a"
    if change == "content":
        path.write_text("2")
    elif change == "mode":
        path.chmod(0o755)
    elif change == "gone":
        path.unlink()
    elif change == "added":
        write(tree.root, {"dist/b/new": "3"})
    elif change == "swapped":
        write(tree.root, {"new": "1"})
        (tree.root / "new").replace(path)
    elif change == "link":
        (tree.root / "dist").rename(tree.root / "moved")
        (tree.root / "dist").symlink_to("moved")
    assert not is_placed(entries, tree.root, tree.record)


def test_files_beside_wildcard_outputs_do_not_matter(tree: Tree) -> None:
    entries = tree.place({"dist/a.whl": "1"}, WHEELS)
    write(tree.root, {"dist/notes": "mine"})
    assert is_placed(entries, tree.root, tree.record)


def test_another_result_is_not_placed(tree: Tree) -> None:
    one = tree.place({"dist/a": "1"})
    assert not is_placed((), tree.root, tree.record)
    two = tree.place({"dist/a": "2"})
    assert is_placed(two, tree.root, tree.record) and not is_placed(one, tree.root, tree.record)


def test_a_task_without_outputs_is_placed_and_leaves_no_record(tree: Tree) -> None:
    assert tree.place({}, ()) == ()
    assert not tree.record.exists()
    tree.place({"x": "1"}, ("x",))
    tree.place({}, ())
    assert seen(tree.root) == {}


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"version": 2}', '{"version": 1, "files": [1], "folders": []}']
)
def test_a_damaged_record_is_as_none(tree: Tree, damage: str) -> None:
    entries = tree.place({"dist/1.whl": "1"}, WHEELS)
    tree.record.write_text(damage)
    assert not is_placed(entries, tree.root, tree.record)
    tree.place({"dist/2.whl": "2"}, WHEELS)
    assert seen(tree.root) == {"dist/1.whl": "1", "dist/2.whl": "2"}


def test_after_a_kill_what_was_half_placed_is_known(tree: Tree) -> None:
    """A kill between the renames: the record has both results, the working tree some of each."""
    tree.place({"dist/1.whl": "1", "dist/both.whl": "1"}, WHEELS)
    old = json.loads(tree.record.read_text())
    tree.place({"dist/2.whl": "2", "dist/both.whl": "2"}, WHEELS)
    new = json.loads(tree.record.read_text())
    for entry in new["files"]:
        entry[1] = [0, 0, 0, 0, 0]
    tree.record.write_text(json.dumps({"version": 1, "files": old["files"] + new["files"], "folders": []}))
    write(tree.root, {"dist/1.whl": "1"})
    tree.place({"dist/3.whl": "3"}, WHEELS)
    assert seen(tree.root) == {"dist/3.whl": "3"}


def test_what_a_killed_call_left_beside_the_record_goes(tree: Tree) -> None:
    tree.place({"dist/a": "1"})
    (tree.record.parent / ".aside-0123456789ab").write_text("half a record")
    tree.place({"dist/a": "2"})
    assert [path.name for path in tree.record.parent.iterdir()] == [tree.record.name]


def test_two_calls_at_once_leave_the_files_of_one(tree: Tree) -> None:
    names = [f"dist/{number}" for number in range(200)]
    results = [tree.taken(dict.fromkeys(names, text), DIST) for text in "1234"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda taken: place(taken, tree.root, tree.record, DIST), results))
    assert len(set(seen(tree.root).values())) == 1
    assert sum(is_placed(taken.entries, tree.root, tree.record) for taken in results) == 1
