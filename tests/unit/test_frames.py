from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.frames import FrameLog, read_frames, replay, write_frame


class Got:
    def __init__(self) -> None:
        self.writes: list[tuple[int, bytes]] = []

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.writes.append((stream, b"".join(views)))

    def of(self, stream: int) -> bytes:
        return b"".join(data for number, data in self.writes if number == stream)

    def joined(self) -> list[tuple[int, bytes]]:
        """Writes to the same stream in a row, as one."""
        found: list[tuple[int, bytes]] = []
        for stream, data in self.writes:
            if found and found[-1][0] == stream:
                found[-1] = (stream, found[-1][1] + data)
            elif data:
                found.append((stream, data))
        return found


WRITES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=3000)), max_size=30)


def test_a_frame_has_the_form_of_the_engines_api() -> None:
    file = BytesIO()
    write_frame(file.write, 2, b"abc")
    assert file.getvalue() == b"\2\0\0\0\0\0\0\3abc"


@given(WRITES, st.integers(1, 50))
def test_frames_are_read_however_they_are_cut(writes: list[tuple[int, bytes]], size: int) -> None:
    file = BytesIO()
    for stream, data in writes:
        write_frame(file.write, stream, data)
    whole = file.getvalue()
    assert list(read_frames(whole[i : i + size] for i in range(0, len(whole), size))) == writes


@pytest.mark.parametrize(
    "damaged",
    [b"\1", b"\1\0\0\0\0\0\0\2a", b"\3\0\0\0\0\0\0\1a", b"\1\0\0\1\0\0\0\1a", b"\1\0\0\0\xff\0\0\0"],
)
def test_a_damaged_log_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="log of a step's output"):
        list(read_frames([damaged]))


@given(WRITES)
def test_a_log_gives_back_what_was_written_in_order(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bytes]]
) -> None:
    log = FrameLog(tmp_path_factory.mktemp("log") / "log")
    wanted, got = Got(), Got()
    for stream, data in writes:
        log.write(stream, [memoryview(data)[:7], memoryview(data)[7:]])
        wanted.write(stream, [memoryview(data)])
    log.close()
    log.close()  # as often as one likes
    replay(log.path, got)
    assert got.joined() == wanted.joined()


@pytest.mark.parametrize("size", [1, 100, 5000, 70_000])
def test_the_middle_of_too_much_is_left_out(tmp_path: Path, size: int) -> None:
    log = FrameLog(tmp_path / "log", cap=64_000)
    text = b"".join(b"%09d\n" % number for number in range(30_000))
    for start in range(0, len(text), size):
        log.write(1, [memoryview(text)[start : start + size]])
    log.close()
    assert log.path.stat().st_size < 64_100
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    got = Got()
    replay(log.path, got)
    note = got.of(2)
    (cut,) = (number for number, (stream, _) in enumerate(got.writes) if stream == 2)
    head = b"".join(data for _, data in got.writes[:cut])
    tail = b"".join(data for _, data in got.writes[cut + 1 :])
    assert text.startswith(head) and text.endswith(tail)
    assert min(len(head), len(tail)) > 15_000
    left_out = len(text) - len(head) - len(tail)
    assert note == b"\nbuildbox: %d bytes of output are left out here\n" % left_out
