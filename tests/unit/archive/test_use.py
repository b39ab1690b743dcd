from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from buildbox.archive.projects import KnownProject, forget, known_projects
from buildbox.archive.use import last_used, note_project, note_used
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.reference import ImageRef

NOW = 1_700_000_000.0
DAY = 86400
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
FILE = '[toolchains.x]\nimage = "registry.example.com/x:1@{digest}"\n'


def refs(*digests: Digest) -> Sequence[ImageRef]:
    unpinned = ImageRef.parse("registry.example.com/unpinned:1")
    return [unpinned, *(ImageRef.parse(f"registry.example.com/x:1@{digest}") for digest in digests)]


def only(data: Path) -> KnownProject:
    (known,) = known_projects(data)
    return known


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def test_a_note_says_where_the_project_is_and_what_it_pins(tmp_path: Path, root: Path) -> None:
    note_project(tmp_path, root, refs(ONE, TWO), NOW)
    (path,) = (tmp_path / "projects").glob("*.json")
    assert len(path.stem) == 16
    assert json.loads(path.read_text()) == {
        "root": str(root),
        "pins": sorted(f"registry.example.com/x:1@{digest}" for digest in (ONE, TWO)),
        "seen": int(NOW),
    }


def test_what_is_known_is_not_written_again(tmp_path: Path, root: Path) -> None:
    def state() -> list[int]:
        return [path.stat().st_ino for name in ("projects", "used") for path in (tmp_path / name).glob("*")]

    def note(now: float, *digests: Digest) -> None:
        note_project(tmp_path, root, refs(*digests), now)
        note_used(tmp_path, ONE, now)

    note(NOW, ONE)
    os.utime(tmp_path / "used" / ONE.hex, (NOW, NOW))
    first = state()
    note(NOW + DAY - 1, ONE)
    assert (state(), only(tmp_path).seen, last_used(tmp_path, [ONE])) == (first, NOW, NOW)
    note(NOW + DAY + 1, ONE)
    assert (only(tmp_path).seen, last_used(tmp_path, [TWO, ONE])) == (NOW + DAY + 1, NOW + DAY + 1)
    note(NOW + DAY + 2, TWO)
    assert only(tmp_path).digests == {TWO}


def test_a_clock_that_was_wrong_is_no_use_forever(tmp_path: Path, root: Path) -> None:
    for now in (NOW + 5000 * DAY, NOW):
        note_project(tmp_path, root, refs(ONE), now)
        note_used(tmp_path, ONE, now)
    assert (only(tmp_path).seen, last_used(tmp_path, [ONE])) == (NOW, NOW)


def test_what_was_never_used_has_no_time(tmp_path: Path) -> None:
    assert last_used(tmp_path, [ONE, TWO]) is None


def test_a_damaged_note_is_written_anew_by_the_next_run(tmp_path: Path, root: Path) -> None:
    note_project(tmp_path, root, refs(ONE), NOW)
    (path,) = (tmp_path / "projects").glob("*.json")
    for text in (
        "",
        "{}",
        "[]",
        '{"root": 1, "pins": 2, "seen": "x"}',
        '{"root": "/", "pins": ["x"], "seen": 1}',
    ):
        path.write_text(text)
        with pytest.raises(ArchiveError, match=path.name):
            known_projects(tmp_path)
        note_project(tmp_path, root, refs(ONE), NOW)
        assert only(tmp_path).digests == {ONE}


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9 \xe2\x82\xac")
    root.mkdir()
    note_project(tmp_path, root, refs(ONE), NOW)
    assert only(tmp_path).root == root
    assert not only(tmp_path).gone


def test_the_projects_file_counts_and_what_it_said_where_it_cant_be_read(tmp_path: Path, root: Path) -> None:
    note_project(tmp_path, root, refs(ONE), NOW)
    assert only(tmp_path).digests == {ONE}  # there is no file
    (root / ".buildbox.toml").write_text(FILE.format(digest=TWO))
    assert only(tmp_path).digests == {TWO}
    (root / ".buildbox.toml").write_text("unknown = 1")
    assert only(tmp_path).digests == {ONE}
    shutil.rmtree(root)
    assert (only(tmp_path).gone, only(tmp_path).digests) == (True, frozenset())


def test_forgotten_are_the_projects_and_all_use_but_that_of_the_images_named(
    tmp_path: Path, root: Path
) -> None:
    note_project(tmp_path, root, refs(ONE), NOW)
    note_used(tmp_path, ONE, NOW)
    note_used(tmp_path, TWO, NOW)
    forget(tmp_path, [only(tmp_path)], [TWO])
    assert known_projects(tmp_path) == ()
    assert (last_used(tmp_path, [ONE]), last_used(tmp_path, [TWO])) == (None, NOW)
