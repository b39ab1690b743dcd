from __future__ import annotations

import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from buildbox.console import Console, write_all
from buildbox.errors import ConfigError, UsageError

PLAIN = Console(quiet=False, verbose=False, json=False, color=False, live=False)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Read and write end of a pipe that holds 4 kB."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    yield read_end, write_end
    for end in (read_end, write_end):
        try:
            os.close(end)
        except OSError:
            pass


def slow_reader(descriptor: int, got: bytearray) -> threading.Thread:
    def read() -> None:
        while data := os.read(descriptor, 1000):
            got.extend(data)
            time.sleep(0.0005)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("blocking", [True, False])
def test_every_byte_is_written_however_slow_the_reader(pipe: tuple[int, int], blocking: bool) -> None:
    read_end, write_end = pipe
    os.set_blocking(write_end, blocking)
    got = bytearray()
    reader = slow_reader(read_end, got)
    pieces = [bytes([number % 251]) * size for number, size in enumerate([0, 1, 5000, 0, 70_000, 3, 0])]
    write_all(write_end, [memoryview(piece) for piece in pieces])
    os.close(write_end)
    reader.join()
    assert bytes(got) == b"".join(pieces)


def test_more_pieces_than_one_call_takes(pipe: tuple[int, int]) -> None:
    got = bytearray()
    reader = slow_reader(pipe[0], got)
    write_all(pipe[1], [memoryview(b"ab")] * 5000)
    os.close(pipe[1])
    reader.join()
    assert bytes(got) == b"ab" * 5000


def test_nothing_to_write(pipe: tuple[int, int]) -> None:
    write_all(pipe[1], [])
    write_all(pipe[1], [memoryview(b"")])
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


def test_a_reader_that_went_away(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        write_all(pipe[1], [memoryview(b"x")])


def test_messages_go_to_stderr_and_start_with_the_name(capfd: pytest.CaptureFixture[str]) -> None:
    PLAIN.say("hello")
    PLAIN.detail("only with -v")
    replace(PLAIN, verbose=True).detail("more")
    replace(PLAIN, quiet=True).say("nothing")
    assert capfd.readouterr() == ("", "buildbox: hello\nbuildbox: more\n")


def test_an_error_says_what_is_wrong_and_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    replace(PLAIN, quiet=True).error(UsageError("this is wrong", "Do this,\n\nand that."))
    PLAIN.error(ConfigError("2 problems", "See the docs.", ["a:1: x", "a:2: y"]))
    assert capfd.readouterr().err == (
        "buildbox: this is wrong\n  Do this,\n\n  and that.\n"
        "buildbox: 2 problems\n  a:1: x\n  a:2: y\n  See the docs.\n"
    )


def test_color_is_for_the_name_only(capfd: pytest.CaptureFixture[str]) -> None:
    replace(PLAIN, color=True).error(UsageError("wrong"))
    err = capfd.readouterr().err
    assert err.startswith("\x1b[")
    assert err.endswith("\x1b[0m wrong\n")


def test_text_that_no_terminal_takes(capfd: pytest.CaptureFixture[str]) -> None:
    PLAIN.say("a file named b\udcffd")
    assert capfd.readouterr().err == "buildbox: a file named b\\udcffd\n"


def test_events_are_lines_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    PLAIN.event({"text": "a\nb é"})
    PLAIN.event({"text": "b\udcffd"})
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "a\nb é"}, {"text": "b\udcffd"}]


def test_a_table_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    PLAIN.table(("A", "LONG"), [("x" * 100, "y"), ("z", "")])
    assert capsys.readouterr().out.splitlines() == [
        "A" + " " * 101 + "LONG",
        "x" * 100 + "  y",
        "z",
    ]


def test_progress_without_a_terminal_is_one_line_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    with PLAIN.meter("layer 1", 3_000_000) as meter:
        meter.advance(1_000_000)
        meter.advance(2_000_000)
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "buildbox: layer 1: 3.0 MB\n"
    with replace(PLAIN, quiet=True, live=True).meter("layer 1", None) as meter:
        meter.advance(1)
    assert capfd.readouterr() == ("", "")


def test_progress_without_a_terminal_tells_the_speed_of_what_takes_long(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with PLAIN.meter("layer 1", 3_000_000) as meter:
        meter.advance(3_000_000)
        time.sleep(1.05)
    assert re.fullmatch(r"buildbox: layer 1: 3\.0 MB, [12]\.\d MB/s\n", capfd.readouterr().err)


def test_bars_of_work_that_runs_at_once_are_drawn_together(capfd: pytest.CaptureFixture[str]) -> None:
    live = replace(PLAIN, live=True)
    with live.meter("one", 10) as first, live.meter("two", None) as second:
        first.advance(10)
        second.advance(5)
    with live.meter("three", 10) as third:
        third.advance(10)
    out, err = capfd.readouterr()
    assert out == ""
    assert all(name in err for name in ("one", "two", "three"))


def test_what_a_message_quotes_does_nothing_to_a_terminal_and_begins_no_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    name = "a\r::error::b\33[2J\x9b1m\tü"
    quoted = "a\\x0d::error::b\\x1b[2J\\x9b1m\tü"
    PLAIN.say(name)
    PLAIN.error(ConfigError(name, f"{name}\n{name}\n", [name]))
    assert capfd.readouterr().err == f"buildbox: {quoted}\n" * 2 + f"  {quoted}\n" * 3
