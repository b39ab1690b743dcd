"""Memos: what comes back, and what doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.trees.entry import FILE, LINK, PROGRAM, tree_digest
from buildbox.trees.memo import (
    Kept,
    memo_folder,
    read_base,
    read_facts,
    read_files,
    read_selections,
    tidy,
    write_base,
    write_files,
    write_selections,
)
from buildbox.trees.seen import Seen, settled

FILES = [
    Seen("a b", FILE, "1" * 64, 5, 10**18 + 1, 10**18 + 2, 7),
    Seen("c\nd/\udcff", PROGRAM, "2" * 64, 0, -1, 3, 8),
    Seen("ü", LINK, "3" * 64, 2**40, 1, 2, 9),
]


def test_files_come_back(tmp_path: Path) -> None:
    write_files(tmp_path / "new/folder/memo", Kept.of(FILES))
    assert list(read_files(tmp_path / "new/folder/memo").values()) == FILES
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == ["memo"]
    assert read_files(tmp_path / "nothing") == {}


def test_a_line_is_what_a_tree_digest_is_made_of() -> None:
    ordered = sorted(FILES, key=lambda file: file.path.encode(errors="surrogateescape"))
    text = "".join(f"{file.line}\0" for file in ordered).encode(errors="surrogateescape")
    assert tree_digest(file.entry for file in FILES) == Digest.of(text)


def test_a_base_of_another_process_is_not_taken(tmp_path: Path) -> None:
    facts = write_base(tmp_path, "i", Kept.of(FILES), again=5, holes=["h"], links=["l\udcff"])
    assert read_facts(tmp_path) == facts
    kept = read_base(tmp_path, facts)
    assert kept is not None and list(kept.seen().values()) == FILES
    write_files(tmp_path / "base", Kept.of(FILES[1:]))
    assert read_base(tmp_path, facts) is None


@pytest.mark.parametrize("text", [b"", b"[]", b"2 abc\n{}", b"null", b"\xff"])
def test_what_is_no_memo_says_nothing(tmp_path: Path, text: bytes) -> None:
    for name in ("facts", "base", "selections"):
        (tmp_path / name).write_bytes(text)
    assert read_facts(tmp_path) is None
    assert read_selections(tmp_path) == {}
    assert read_files(tmp_path / "base") == {}


def test_selections_are_bounded(tmp_path: Path) -> None:
    write_selections(tmp_path, {str(number): ["d", 1, []] for number in range(2000)})
    kept = read_selections(tmp_path)
    assert 100 < len(kept) < 1000
    assert list(kept)[-1] == "1999"


def test_projects_are_bounded(tmp_path: Path) -> None:
    for number in range(200):
        write_selections(memo_folder(tmp_path, Path(f"/project/{number}")), {})
    tidy(tmp_path)
    assert 10 < len(list((tmp_path / "trees").iterdir())) < 100
    tidy(tmp_path / "nothing")


def test_what_is_as_new_as_the_look_is_not_kept() -> None:
    assert [file.path for file in settled(FILES, 4).values()] == ["c\nd/\udcff", "ü"]
