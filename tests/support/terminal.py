"""A program on a terminal of its own, and what a person would see there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PARTS = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b(\][^\a]*\a|.)|([\r\n])|([^\x1b\r\n]+)")
ROOT = Path(__file__).parents[2]


@dataclass
class Picture:
    """What a terminal shows, by the few control sequences that are used here. No character is wide."""

    columns: int = 80
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    cursor: bool = True  # whether it is seen

    def feed(self, text: str) -> None:
        """More output."""
        for match in _PARTS.finditer(text):
            numbers, command, other, control, shown = match.groups()
            if shown:
                self._show(shown)
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif command == "A":
                self.row = max(0, self.row - int(numbers or 1))
            elif command == "K":
                self.lines[self.row] = ""
            elif command in ("h", "l") and numbers == "?25":
                self.cursor = command == "h"
            elif command != "m" and not (other or "").startswith("]"):  # colours, and titles
                raise AssertionError(f"a control sequence that isn't known here: {match[0]!r}")

    def _show(self, shown: str) -> None:
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + shown + line[self.column + len(shown) :]
        self.column += len(shown)

    @property
    def text(self) -> list[str]:
        """The lines, without empty ones at the end."""
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


@dataclass
class Terminal:
    """A running program and its terminal."""

    pid: int
    master: int
    picture: Picture
    raw: bytes = b""

    def see(self, enough: Callable[[Picture], bool], seconds: float = 20.0) -> None:
        """Reads what the program writes until the picture is `enough`."""
        deadline = time.monotonic() + seconds
        while not enough(self.picture):
            assert self._read(deadline), f"it ended, or was too slow: {self.picture.text}"

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self, seconds: float = 20.0) -> int:
        """Its exit status, when all that it wrote is in the picture."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        if time.monotonic() >= deadline:  # it would wait for ever for somebody to read what it writes
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self.master, 1 << 16) if ready else b""
        except OSError:  # the last program that had the terminal is gone
            data = b""
        self.raw += data
        self.picture = Picture()
        self.picture.feed(self.raw.decode(errors="replace"))
        return bool(data)


def on_terminal(
    script: str, *args: str, rows: int = 24, columns: int = 80, env: Mapping[str, str] | None = None
) -> Terminal:
    """Runs the Python `script` on a new terminal."""
    command = (sys.executable, "-c", script, *args)
    surroundings = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.defpath,
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        **(env or {}),
    }
    pid, master = pty.fork()
    if pid == 0:
        os.execve(sys.executable, command, surroundings)
    terminal = Terminal(pid, master, Picture())
    terminal.resize(rows, columns)
    settings = termios.tcgetattr(master)
    settings[3] &= ~termios.ECHO  # what a test types isn't shown
    termios.tcsetattr(master, termios.TCSANOW, settings)
    return terminal
