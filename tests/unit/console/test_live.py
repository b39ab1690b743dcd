from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.console.last_line import LastLine, last_line
from tests.support.terminal import Terminal, on_terminal

SETUP = """
import select, signal, sys, time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from buildbox.console.displays import Kept
from buildbox.console.live import LiveDisplay
from tests.support.told import *

def wait():
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        pass  # a signal that comes right before a call that blocks would wake nobody
    sys.stdin.readline()

def sleep():
    for _ in range(1200):
        time.sleep(0.05)

console = replace(CONSOLE, live=True)
kept = logs(Path(sys.argv[1]))
display = Kept(LiveDisplay(console, kept), kept)
a, b, c = step("a"), step("build"), step("c", needs=("build",))
"""


@contextmanager
def shown(script: str, folder: Path, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    with closing(on_terminal(SETUP + script, str(folder), rows=rows, columns=columns)) as terminal:
        terminal.resize(rows, columns)
        yield terminal


def go_on(terminal: Terminal) -> None:
    os.write(terminal.master, b"\n")


def test_rows_for_what_runs_and_lines_for_what_has_ended(tmp_path: Path) -> None:
    script = r"""
display.plan(plan(a, b, c))
display.started(a, 1)
display.started(b, 1)
write(display.output(b), (1, b"\33[31mfirst\33[0m\n\33[1mlast \t\33]0;title\a line\n\n"))
wait()
display.ended(a, passed("a"))
console.say("a message")
write(display.output(b), (2, "漢字".encode() * 100))
wait()
display.ended(b, failed("build"))
display.ended(c, not_run("c", "needs build, which failed"))
display.finished(summary(passed("a"), failed("build"), not_run("c", "needs build, which failed")))
display.close()
"""
    with shown(script, tmp_path, columns=60) as terminal:
        terminal.see(lambda picture: picture.text[2:] != [])
        first, second, count = terminal.picture.text[:3]
        assert first.split()[0] == "a"
        assert second.split()[0] == "build" and second.endswith("s  last   line")
        assert count.startswith("0 done, 2 running, 1 waiting  ")
        assert not terminal.picture.cursor
        go_on(terminal)
        terminal.see(lambda picture: "漢字…" in "".join(picture.text) and "✓ a 1.2s" in picture.text)
        lines = [line for line in terminal.picture.text if line]
        assert lines[:2] == ["✓ a 1.2s", "buildbox: a message"]
        assert len(lines[2]) < 60 - 10  # two columns for each of many characters
        assert lines[3].startswith("1 done, 1 running, 1 waiting  ")
        go_on(terminal)
        assert terminal.end() == 0
        assert terminal.picture.cursor
    assert b"\33[31mfirst\33[0m\r\n\33[1mlast \t\33]0;title\a line\r\n" in terminal.raw
    shown_lines = [line for line in terminal.picture.text if line]
    log = f"{tmp_path}/project/.buildbox/logs/20231114T221320-abc/build.log"
    assert shown_lines[:3] == ["✓ a 1.2s", "buildbox: a message", "✗ build failed: exit status 2 (3.4s)"]
    assert shown_lines[-4:] == [
        "漢字" * 100,
        "buildbox: 1 passed, 1 failed, 1 not run (12s)",
        "buildbox: not run (needs build, which failed): c",
        f"buildbox: the log of build: {log}",
    ]


def test_no_more_rows_than_the_terminal_has_and_it_may_change(tmp_path: Path) -> None:
    script = """
steps = [step(f"step{number:03}") for number in range(500)]
display.plan(plan(*steps))
for item in steps:
    display.started(item, 1)
wait()
for item in steps:
    display.ended(item, passed(item.name))
display.finished(summary(*(passed(item.name) for item in steps)))
"""
    with shown(script, tmp_path, rows=10, columns=60) as terminal:
        terminal.see(lambda picture: "0 done, 500 running" in picture.text[-1:][0] if picture.text else False)
        assert len(terminal.picture.text) == 9
        assert terminal.picture.text[-2] == "and 493 more"
        terminal.resize(5, 30)
        terminal.see(lambda picture: "and 498 more" in picture.text)
        assert max(map(len, terminal.raw.decode().rpartition("\33[1A")[2].splitlines())) < 30 + 10
        go_on(terminal)
        assert terminal.end() == 0
        assert terminal.picture.text[-501:] == [
            *(f"✓ step{number:03} 1.2s" for number in range(500)),
            "buildbox: 500 passed (12s)",
        ]


def test_a_run_that_is_over_at_once_draws_nothing(tmp_path: Path) -> None:
    script = """
display.plan(plan(a, b))
display.ended(a, Report("a", State.CACHED, 0.01))
display.ended(b, Report("build", State.CACHED, 0.01))
display.finished(summary(Report("a", State.CACHED), Report("build", State.CACHED), seconds=0.1))
assert not any(name.partition(".")[0] == "rich" for name in sys.modules), "rich takes time to load"
"""
    with shown(script, tmp_path) as terminal:
        assert terminal.end() == 0
        assert terminal.raw.decode().splitlines() == [
            "✓ a cached (0.0s)",
            "✓ build cached (0.0s)",
            "buildbox: 2 cached (0.1s)",
        ]


@pytest.mark.parametrize(
    ("how", "status"),
    [("raise ValueError", 1), ("sys.exit(3)", 3), ("sleep()", 143), ("sleep() ", 130)],
)
def test_the_cursor_is_back_however_it_ends(how: str, status: int, tmp_path: Path) -> None:
    script = f"""
def leave(number, frame):
    sys.exit(128 + number)

signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)
with closing(display):
    display.plan(plan(a))
    display.started(a, 1)
    wait()
    {how}
"""
    with shown(script, tmp_path) as terminal:
        terminal.see(lambda picture: not picture.cursor and "running" in "".join(picture.text))
        go_on(terminal)
        if status > 128:
            os.kill(terminal.pid, signal.Signals(status - 128))
        assert terminal.end() == status
        assert terminal.picture.cursor
        assert "running" not in "".join(terminal.picture.text)


def test_a_target_has_the_terminal_for_itself(tmp_path: Path) -> None:
    script = """
display.plan(plan(a, b))
display.started(a, 1)
wait()
display.ended(a, passed("a"))
display.close()
print("mine", flush=True)
console.say("still heard")
time.sleep(0.3)
display.ended(b, passed("build"))
display.finished(summary(passed("a"), passed("build")))
"""
    with shown(script, tmp_path) as terminal:
        terminal.see(lambda picture: "running" in "".join(picture.text))
        go_on(terminal)
        assert terminal.end() == 0
        assert [line for line in terminal.picture.text if line] == [
            "✓ a 1.2s",
            "mine",
            "buildbox: still heard",
            "✓ build 1.2s",
            "buildbox: 2 passed (12s)",
        ]


def test_a_hermetic_target_has_it_from_its_first_output(tmp_path: Path) -> None:
    script = """
from buildbox.cli.streams import Descriptors
from buildbox.console.target import Targeted
target = Targeted(display, "build", Descriptors(), kept)
target.plan(plan(a, b))
target.started(a, 1)
output = target.output(b)  # it is prepared already
wait()
target.ended(a, passed("a"))
write(output, (1, b"what it "))
time.sleep(0.3)
target.started(b, 1)
write(output, (2, b"wrote\\n"))
target.ended(b, failed("build"))
target.finished(summary(passed("a"), failed("build")))
"""
    with shown(script, tmp_path) as terminal:
        terminal.see(lambda picture: "1 running" in "".join(picture.text))
        go_on(terminal)
        assert terminal.end() == 0
        assert [line for line in terminal.picture.text if line][:-1] == [
            "✓ a 1.2s",
            "what it wrote",
            "✗ build failed: exit status 2 (3.4s)",
            "buildbox: 1 passed, 1 failed (12s)",
        ]


def test_work_in_between_has_a_row(tmp_path: Path) -> None:
    script = """
display.plan(plan(a))
with console.meter("fetching tools", 3_000_000) as meter:
    meter.advance(1_000_000)
    wait()
display.finished(summary(passed("a")))
"""
    with shown(script, tmp_path) as terminal:
        terminal.see(lambda picture: "fetching tools  1.0 MB of 3.0 MB" in picture.text)
        go_on(terminal)
        assert terminal.end() == 0
        assert terminal.picture.cursor


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (b"", ""),
        (b"one\ntwo", "two"),
        (b"one\ntwo\n \n", "two"),
        (b"10%\r20%\r", "20%"),
        (b"\33[2K\33[31mred\33[0m\33[K", "red"),
        (b"\33]8;;https://example.com\33\\link\33]8;;\a", "link"),
        (b"\33(B\33=\33Mx\33", "x"),
        (b"a\tb\0\7\bc", "a bc"),
        ("é\u202e\u200b\x9bx 漢".encode(), "éx 漢"),
        (b"\xff\xc3", "\ufffd\ufffd"),
    ],
)
def test_the_last_line_of_output(output: bytes, wanted: str) -> None:
    assert last_line(output) == wanted


@given(st.lists(st.binary(max_size=100)))
def test_no_control_character_comes_through(pieces: list[bytes]) -> None:
    last = LastLine()
    for piece in pieces:
        last.write(1, [memoryview(piece)])
    assert last.text() == "" or last.text().isprintable()


def test_only_the_end_of_output_is_remembered() -> None:
    last = LastLine()
    for _ in range(100):
        last.write(1, [memoryview(b"x" * 100_000), memoryview(b"y" * 1000)])
    assert last.text() == "x" * 3096 + "y" * 1000
