"""Runs in a real terminal (a pseudo-terminal, pty(7))."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.run.conftest import MakeProject
from tests.support.project import Project

TASKS = """
[tasks.size]
run = "test -t 0 && test -t 1 && sleep 0.3 && stty size"
[tasks.watch]
run = '''
trap 'exit 0' INT
while true; do stty size; sleep 0.1; done
'''
[tasks.ask]
run = 'echo -n "name? "; read name; echo "hello $name"'
[tasks.stubborn]
run = '''
trap '' INT
echo ready
while true; do sleep 1; done
'''
[tasks.piped]
run = "test -t 0 || echo no tty"
"""


class Terminal:
    """The side of a pseudo-terminal where the person sits."""

    def __init__(self, rows: int, columns: int) -> None:
        self.master, self.slave = os.openpty()
        self.seen = b""
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes, timeout: float = 30) -> None:
        """Waits until `text` was shown, and forgets what came up to there."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; the terminal shows {self.seen!r}"
            self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(text)[2]


@contextmanager
def in_terminal(project: Project, *args: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """A buildbox that runs in a terminal of 33 rows and 101 columns."""
    terminal = Terminal(33, 101)

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        project.command(*args),
        cwd=project.root,
        env={**project.environment(), "TERM": "xterm"},
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        preexec_fn=take_terminal,
    )
    try:
        yield terminal, process
    finally:
        process.kill()
        process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


def test_size(make_project: MakeProject) -> None:
    """Engines before API 1.42 are told the size a moment after the start: hence the task's sleep."""
    with in_terminal(make_project(TASKS), "run", "size") as (terminal, process):
        terminal.expect(b"33 101\r\n")
        assert process.wait(timeout=30) == 0


def test_size_follows_the_window(make_project: MakeProject) -> None:
    with in_terminal(make_project(TASKS), "run", "watch") as (terminal, process):
        terminal.expect(b"33 101\r\n")
        terminal.resize(50, 77)
        terminal.expect(b"50 77\r\n")
        terminal.type(b"\x03")
        assert process.wait(timeout=30) == 0


def test_keys_reach_the_task_and_the_terminal_is_as_before(make_project: MakeProject) -> None:
    with in_terminal(make_project(TASKS), "run", "ask") as (terminal, process):
        before = termios.tcgetattr(terminal.slave)
        terminal.expect(b"name? ")
        terminal.type("Jürgen\n".encode())
        terminal.expect("hello Jürgen\r\n".encode())
        assert process.wait(timeout=30) == 0
        assert termios.tcgetattr(terminal.slave) == before


def test_second_ctrl_c_kills(make_project: MakeProject) -> None:
    with in_terminal(make_project(TASKS), "run", "stubborn") as (terminal, process):
        before = termios.tcgetattr(terminal.slave)
        terminal.expect(b"ready\r\n")
        terminal.type(b"\x03")
        time.sleep(0.5)
        assert process.poll() is None
        terminal.type(b"\x03")
        assert process.wait(timeout=30) == 130
        assert termios.tcgetattr(terminal.slave) == before


def test_hangup_ends_the_task(make_project: MakeProject) -> None:
    with in_terminal(make_project(TASKS), "run", "watch") as (terminal, process):
        terminal.expect(b"33 101\r\n")
        process.send_signal(1)
        assert process.wait(timeout=30) == 129


def test_shell(make_project: MakeProject) -> None:
    """Any number of Ctrl-C's is the shell's own business."""
    with in_terminal(make_project(TASKS), "shell") as (terminal, process):
        terminal.expect(b"/src ")
        terminal.type(b"\x03\x03\x03")
        terminal.type(b"whoami; echo $((40 + 2))\n")
        terminal.expect(b"build\r\n42\r\n")
        terminal.type(b"exit 7\n")
        assert process.wait(timeout=30) == 7


def test_no_tty_unless_both_ends_are(make_project: MakeProject) -> None:
    project = make_project(TASKS)
    assert project.ok("run", "piped") == "no tty\n"
    terminal = Terminal(24, 80)
    process = project.start("run", "piped", stdin=terminal.slave)
    out, _ = process.communicate(timeout=30)
    assert out == b"no tty\n"
