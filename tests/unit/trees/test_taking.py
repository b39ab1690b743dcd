from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from buildbox.trees.faults import OutputRefused
from buildbox.trees.taking import Taken, look_at, take
from tests.support.project import let_others_pass
from tests.support.trees import STRANGER, as_stranger, file, folder, link, program, seen, write


def refused(stage: Path, outputs: Sequence[str], to: Path) -> tuple[str, ...]:
    """What is wrong with the outputs."""
    with pytest.raises(OutputRefused) as raised:
        take(stage, outputs, to)
    for problem in raised.value.problems[:20]:
        assert problem in raised.value.reason
    return raised.value.problems


def test_what_outputs_name_is_taken_and_nothing_else(tmp_path: Path) -> None:
    made = {
        "dist/a.whl": "1",
        "dist/b.txt": "2",
        "bin/tool*": "#!",
        "c/d/": "",
        "c/e/x": "3",
        "l@": "bin/tool",
    }
    stage = write(tmp_path / "stage", made)
    taken = take(stage, ["dist/*.whl", "bin/tool", "c/", "l"], tmp_path / "to")
    assert taken.entries == (
        program("bin/tool", "#!"),
        folder("c/d"),
        file("c/e/x", "3"),
        file("dist/a.whl", "1"),
        link("l", "bin/tool"),
    )
    assert (taken.folder, taken.missing) == (tmp_path / "to", ())
    assert seen(tmp_path / "to") == {name: text for name, text in made.items() if name != "dist/b.txt"}


@pytest.mark.parametrize("outputs", [["dist"], ["dist/"], ["dist/**"], ["**"], ["d*/"]])
def test_a_folder_is_taken_whole(tmp_path: Path, outputs: list[str]) -> None:
    stage = write(tmp_path / "stage", {"dist/a": "1", "dist/b/c": "2", "dist/d/": ""})
    assert take(stage, outputs, tmp_path / "to").entries == (
        file("dist/a", "1"),
        file("dist/b/c", "2"),
        folder("dist/d"),
    )


def test_an_empty_folder_is_an_output(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"dist/": ""})
    assert take(stage, ["dist/"], tmp_path / "to") == Taken((folder("dist"),), tmp_path / "to")
    assert seen(tmp_path / "to") == {"dist/": ""}


def test_patterns_that_nothing_matches_are_named(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"dist/a": "1"})
    taken = take(stage, ["dist/*", "*.whl", "docs/", "!docs/x"], tmp_path / "to")
    assert taken.missing == ("*.whl", "docs/")


def test_negated_patterns_leave_out(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"dist/a": "1", "dist/b.log": "2"})
    assert take(stage, ["dist/", "!**/*.log"], tmp_path / "to").entries == (file("dist/a", "1"),)


def test_git_and_buildbox_are_never_outputs(tmp_path: Path) -> None:
    stage = write(
        tmp_path / "stage", {".git/hooks/pre-commit*": "#!", ".buildbox/x": "1", "a/.git/HEAD": "2"}
    )
    taken = take(stage, ["**", ".git/hooks/pre-commit"], tmp_path / "to")
    assert taken.entries == (file("a/.git/HEAD", "2"),)
    assert taken.missing == (".git/hooks/pre-commit",)


def test_all_that_is_refused_is_reported_together(tmp_path: Path) -> None:
    stage = write(
        tmp_path / "stage",
        {
            "dist/fine": "1",
            "dist/out@": "../../etc/passwd",
            "dist/absolute@": "/etc/passwd",
            "dist/up@": "a/../..",
            "dist/line\nfeed": "1",
            "dist/not-utf8-\udcff": "1",
        },
    )
    os.mkfifo(stage / "dist/fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(stage / "dist/socket"))
    deep = os.open(stage / "dist", os.O_RDONLY)
    for _ in range(120):
        os.mkdir("deep", dir_fd=deep)
        below = os.open("deep", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    write(tmp_path, {"elsewhere/x": "1"})
    (stage / "linked").symlink_to("../elsewhere")
    problems = refused(stage, ["dist/", "linked/x"], tmp_path / "to")
    assert [problem.partition(" ")[0] for problem in problems] == [
        "dist/absolute",
        "dist/" + "deep/" * 39 + "...",
        "dist/fifo",
        r"'dist/line\nfeed'",
        r"'dist/not-utf8-\udcff'",
        "dist/out",
        "dist/socket",
        "dist/up",
        "linked",
    ]
    assert "lies in more than 100 folders" in problems[1]
    assert problems[2] == "dist/fifo is a fifo"
    assert problems[-1].startswith("linked is a link;")


def test_what_is_not_an_output_is_not_judged(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"dist/a": "1", "other/absolute@": "/etc", "dist2@": "/etc"})
    os.mkfifo(stage / "fifo")
    assert take(stage, ["dist/"], tmp_path / "to").entries == (file("dist/a", "1"),)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"stage/real/a": "1", "stage/dist@": "real"})
    assert refused(tmp_path / "stage", ["dist/"], tmp_path / "to")[0].startswith("dist is a link")
    assert refused(tmp_path / "stage", ["dist/*.whl"], tmp_path / "to")[0].startswith("dist is a link")
    assert take(tmp_path / "stage", ["dist"], tmp_path / "to").entries == (link("dist", "real"),)


def test_odd_modes_are_no_obstacle_and_gone(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"dist/a": "1", "dist/b/c": "2", "dist/d/e": "3", "dist/s*": "#!"})
    (stage / "dist/s").chmod(0o6777)
    for name, mode in (("dist/a", 0), ("dist/b", 0), ("dist/d", 0o500), ("dist", 0o100)):
        (stage / name).chmod(mode)
    let_others_pass(tmp_path)
    if os.getuid() == 0:
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.lchown(path, STRANGER, STRANGER)
    taken = as_stranger(lambda: take(stage, ["dist/"], tmp_path / "to"))
    assert taken.entries == (
        file("dist/a", "1"),
        file("dist/b/c", "2"),
        file("dist/d/e", "3"),
        program("dist/s", "#!"),
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "to/dist").rglob("*")}
    assert modes == {"a": 0o644, "b": 0o755, "c": 0o644, "d": 0o755, "e": 0o644, "s": 0o755}


def test_a_file_with_several_names_is_copied(tmp_path: Path) -> None:
    stage = write(tmp_path / "stage", {"kept": "1"})
    (stage / "dist").mkdir()
    (stage / "dist/a").hardlink_to(stage / "kept")
    (stage / "dist/b").hardlink_to(stage / "kept")
    taken = take(stage, ["dist/"], tmp_path / "to")
    assert taken.entries == (file("dist/a", "1"), file("dist/b", "1"))
    (stage / "kept").write_text("written afterwards")
    (tmp_path / "to/dist/a").write_text("and here")
    assert (tmp_path / "to/dist/b").read_text() == "1"


def test_outputs_of_a_mounted_task_stay_where_they_are(tmp_path: Path) -> None:
    files = {"venv/bin/python@": "/usr/bin/python3", "venv/x": "1", "src/a": "2"}
    root = write(tmp_path / "root", files)
    assert look_at(root, ["venv/", "dist/"]) == Taken(
        (link("venv/bin/python", "/usr/bin/python3"), file("venv/x", "1")), root, ("dist/",)
    )
    assert seen(root) == files
    os.mkfifo(root / "venv/fifo")
    with pytest.raises(OutputRefused, match="venv/fifo is a fifo"):
        look_at(root, ["venv/"])
