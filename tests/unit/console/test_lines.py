from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.console.lines import LONGEST, Lines


def lines(*pieces: bytes) -> bytes:
    got: list[bytes] = []
    made = Lines(b"a | ", got.append)
    for piece in pieces:
        made.write([memoryview(piece)])
    made.flush()
    made.flush()
    assert all(piece.endswith(b"\n") for piece in got), "only whole lines are given on"
    return b"".join(got)


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ([], b""),
        ([b""], b""),
        ([b"x\n"], b"a | x\n"),
        ([b"x"], b"a | x\n"),
        ([b"\n\n"], b"a | \na | \n"),
        ([b"x\ny\nz"], b"a | x\na | y\na | z\n"),
        ([b"x", b"y\nz", b"\n"], b"a | xy\na | z\n"),
        ([b"\xff\0\n"], b"a | \xff\0\n"),
        ([b"x\r\ny\r\n"], b"a | x\na | y\n"),
        ([b"x\r", b"\ny"], b"a | x\na | y\n"),
        ([b"10%\r20%", b"\r30%\r", b"100%\ndone\n"], b"a | 100%\na | done\n"),
        ([b"10%\r20%\r"], b"a | 20%\n"),
        ([b"10%\r20%\r\r\n"], b"a | 20%\n"),
        ([b"\r10%", b"\r"], b"a | 10%\n"),
    ],
)
def test_lines_are_whole_and_prefixed(pieces: list[bytes], wanted: bytes) -> None:
    assert lines(*pieces) == wanted


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"\xff"]), max_size=40), st.data())
def test_it_does_not_matter_how_output_is_cut(text: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert lines(*pieces) == lines(whole)


def test_a_line_without_an_end_is_not_held_in_memory() -> None:
    got: list[bytes] = []
    made = Lines(b"a | ", got.append)
    for _ in range(100):
        made.write([memoryview(b"x" * 10_000)])
    assert sum(map(len, got)) > 1_000_000 - 2 * LONGEST
    made.flush()
    assert b"".join(got).replace(b"\n", b"").replace(b"a | ", b"") == b"x" * 1_000_000
    assert max(len(line) for line in b"".join(got).split(b"\n")) == LONGEST + 4


def test_a_progress_bar_that_never_ends_is_not_held_in_memory() -> None:
    got: list[bytes] = []
    made = Lines(b"", got.append)
    for number in range(100_000):
        made.write([memoryview(b"%d%%\r" % number)])
    made.flush()
    assert got == [b"99999%\n"]
