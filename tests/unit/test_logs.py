from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.logs import Log, Logs, Tee, file_name, forget_old

NOW = 1_700_000_000.0
RUN = "20231114T221320-abc"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def logs(folder: Path, **changes: int) -> Logs:
    (folder / "project").mkdir(exist_ok=True)
    (folder / "temporary").mkdir(exist_ok=True)
    return Logs(folder / "project", "abc", NOW, temporary=folder / "temporary", **changes)


def write(log: Log, *writes: tuple[int, bytes]) -> None:
    for stream, data in writes:
        log.write(stream, [memoryview(data)])


def test_both_streams_are_kept_in_order_as_they_are(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    write(kept.log("test[py,A=1]"), (1, b"out\xff"), (2, b"err\r\n"), (1, b"end"))
    assert kept.path("test[py,A=1]") == tmp_path / f"project/.buildbox/logs/{RUN}/test[py,A=1].log"
    kept.log("test[py,A=1]").close()
    assert b"".join(kept.read("test[py,A=1]")) == b"out\xfferr\r\nend"
    kept.close()
    path = kept.path("test[py,A=1]")
    assert path and path.read_bytes() == b"out\xfferr\r\nend"


def test_nothing_is_made_where_nothing_is_written(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    kept.log("test").close()
    assert (kept.path("test"), kept.kept, list(kept.read("test"))) == (None, None, [])
    kept.close()
    assert names(tmp_path / "project") == []


def test_another_attempt_comes_behind_the_first(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    for text in (b"one\n", b"two\n"):
        write(kept.log("test"), (1, text))
        kept.log("test").close()
    assert b"".join(kept.read("test")) == b"one\ntwo\n"


@pytest.mark.parametrize("size", [1, 10, 999, 50_000])
def test_the_middle_of_too_much_is_left_out(tmp_path: Path, size: int) -> None:
    kept = logs(tmp_path, cap=16_000)
    text = b"".join(b"%09d\n" % number for number in range(5000))
    for start in range(0, len(text), size):
        write(kept.log("test"), (1, text[start : start + size]))
    kept.log("test").close()
    head, note, tail = b"".join(kept.read("test")).partition(b"\nbuildbox: ")
    count, _, tail = tail.partition(b" bytes of output are left out here\n")
    assert note
    assert text.startswith(head) and text.endswith(tail)
    assert int(count) == len(text) - len(head) - len(tail)
    assert len(head) == 8000
    assert 6000 <= len(tail) <= 8000
    kept.close()
    assert names(tmp_path / f"project/.buildbox/logs/{RUN}") == ["test.log"]


def test_logs_that_the_project_cannot_take_are_there_until_the_end(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    (tmp_path / "project/.buildbox").symlink_to(tmp_path)
    write(kept.log("test"), (1, b"text"))
    kept.log("test").close()
    assert (b"".join(kept.read("test")), kept.path("test"), kept.kept) == (b"text", None, None)
    assert len(names(tmp_path / "temporary")) == 1
    kept.close()
    assert names(tmp_path / "temporary") == []
    assert names(tmp_path) == ["project", "temporary"]


def test_a_log_that_cannot_be_written_fails_nobody(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    (tmp_path / "project/.buildbox").write_text("")
    (tmp_path / "temporary").rmdir()
    log = kept.log("test")
    write(log, (1, b"text"), (1, b"more"))
    assert isinstance(log.fault, FileNotFoundError)
    kept.close()


def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    (tmp_path / f"project/.buildbox/logs/{RUN}").mkdir(parents=True)
    (tmp_path / f"project/.buildbox/logs/{RUN}/test.log").symlink_to(tmp_path / "outside")
    write(kept.log("test"), (1, b"text"))
    assert kept.log("test").fault
    assert not (tmp_path / "outside").exists()


def test_the_last_runs_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / ".buildbox/logs"
    for number in range(25):
        (folder / f"202311{number:02d}T000000-a").mkdir(parents=True)
        (folder / f"202311{number:02d}T000000-a/test.log").write_text("")
    (folder / "mine").mkdir()
    forget_old(tmp_path)
    assert names(folder) == [f"202311{number:02d}T000000-a" for number in range(5, 25)] + ["mine"]


def test_a_tee_gives_all_to_each(tmp_path: Path) -> None:
    kept = logs(tmp_path)
    tee = Tee(kept.log("a"), kept.log("b"))
    tee.write(1, [memoryview(b"x"), memoryview(b"y")])
    kept.log("a").close()
    kept.log("b").close()
    assert [b"".join(kept.read(name)) for name in "ab"] == [b"xy", b"xy"]


@given(st.text(min_size=1))
def test_any_name_becomes_a_file_in_the_folder(name: str) -> None:
    file = file_name(name)
    assert "/" not in file and "\0" not in file and not file.startswith(".")
    assert len(os.fsencode(file)) < 255
    assert file.endswith(".log")


def test_different_names_have_different_files() -> None:
    names = ["a", "a/b", "a_b", "..", ".", ".a", "A", "a" * 200, "a" * 201, "é", "a b", "test[py,A=/x]"]
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("test[py313,A=4.2]") == "test[py313,A=4.2].log"
