from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.masking import Masked


class Got:
    def __init__(self) -> None:
        self.data = {1: b"", 2: b""}

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.data[stream] += b"".join(views)


def masked(values: Sequence[bytes], *pieces: bytes) -> bytes:
    got = Got()
    output = Masked(got, values)
    for piece in pieces:
        output.write(1, [memoryview(piece)])
    output.flush()
    output.flush()
    return got.data[1]


def plainly(values: Sequence[bytes], text: bytes) -> bytes:
    """The same for values of one line, as slowly and simply as it can be said."""
    found, place = b"", 0
    by_length = sorted(filter(None, values), key=len, reverse=True)
    while place < len(text):
        value = next((value for value in by_length if text.startswith(value, place)), None)
        found += b"***" if value else text[place : place + 1]
        place += len(value) if value else 1
    return found


LETTERS = st.text(alphabet="ab", min_size=1, max_size=12).map(str.encode)


@given(
    st.lists(LETTERS.map(lambda value: value[:5]), max_size=4),
    st.lists(LETTERS, max_size=20),
)
@settings(max_examples=500)
def test_it_does_not_matter_how_output_is_cut(values: list[bytes], pieces: list[bytes]) -> None:
    assert masked(values, *pieces) == plainly(values, b"".join(pieces))


TEXTS = st.text(alphabet="ab\n\r", min_size=1, max_size=15).map(str.encode)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, max_size=20))
@settings(max_examples=300)
def test_values_of_many_lines_too(values: list[bytes], pieces: list[bytes]) -> None:
    assert masked(values, *pieces) == masked(values, b"".join(pieces))


@pytest.mark.parametrize(
    ("values", "pieces", "wanted"),
    [
        ([], [b"text"], b"text"),
        ([b""], [b"text"], b"text"),
        ([b"\n"], [b"te\nxt"], b"te\nxt"),
        ([b"s3cret"], [b"a s3cret\n"], b"a ***\n"),
        ([b"s3cret\n"], [b"a s3cret\n"], b"a ***\n"),
        ([b"s3cret"], [b"a s3", b"c", b"ret s3cre"], b"a *** s3cre"),
        ([b"abc", b"abcdef"], [b"abc", b"def abcx"], b"*** ***x"),
        ([b"first line\nab\nlast one"], [b"first line\r\n", b"ab\r\nlast one\n"], b"***\n"),
        ([b"first line\nab\nlast one"], [b"last one: first line, ab"], b"***: ***, ab"),
        ([b"\xff\0"], [b"\xfe\xff", b"\0"], b"\xfe***"),
        ([b"a" * 100_000], [b"a" * 70_000, b"a" * 70_000], b"***" + b"a" * 40_000),
    ],
)
def test_values_are_masked(values: list[bytes], pieces: list[bytes], wanted: bytes) -> None:
    assert masked(values, *pieces) == wanted


def test_each_stream_is_looked_at_by_itself() -> None:
    got = Got()
    output = Masked(got, [b"s3cret"])
    for stream, data in ((1, b"s3"), (2, b"s3cr"), (1, b"cret"), (2, b"isis.")):
        output.write(stream, [memoryview(data)])
    assert got.data == {1: b"***", 2: b"s3crisis."}


def test_only_what_may_become_a_value_is_held_back() -> None:
    got = Got()
    output = Masked(got, [b"s3cret"])
    output.write(1, [memoryview(b"Pass"), memoryview(b"word: ")])
    assert got.data[1] == b"Password: "
    output.write(1, [memoryview(b"it is s3c")])
    assert got.data[1] == b"Password: it is "
    output.write(1, [memoryview(b"rap")])
    assert got.data[1] == b"Password: it is s3crap"
