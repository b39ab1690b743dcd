from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.console.text import as_text, last_lines


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain", "red plain"),
        (b"1%\r50%\r100%\r\nnext\r\n", "100%\nnext\n"),
        (b"a\tb\x00\x08\x7f", "a       b"),
        (b"\xff\xc3", "\ufffd\ufffd"),
        ("right\u202eleft\u2028line".encode(), "rightleft line"),
        (b"\x1b]0;never ended\nthe error", "\nthe error"),  # hides nothing of the next line
    ],
)
def test_what_output_shows(output: bytes, shown: str) -> None:
    assert as_text(output) == shown


@given(st.binary())
def test_nothing_is_left_that_could_do_anything(output: bytes) -> None:
    assert all(line.isprintable() for line in as_text(output).split("\n"))


def test_long_lines_take_no_time() -> None:
    begun = time.monotonic()
    as_text(b"\x1b[" * 60_000 + b"x\r" * 60_000 + b"y" * 200_000)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (b"", ""),
        (b"a\nb\n\n", "a\nb"),
        (b"a\nb\nc\n", "[…]\nb\nc"),
        (b"long line", "[…]\nine"),
        (b"\n\nxy", "[…]\n\nxy"),
    ],
)
def test_the_last_lines(output: bytes, wanted: str) -> None:
    assert last_lines(output, 2, 3) == wanted
