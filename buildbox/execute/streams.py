"""The caller's stdin, stdout and terminal, tied to a running container's."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from buildbox.execute.events import Event, in_background

if TYPE_CHECKING:
    from buildbox.engine.protocol import Engine, Stream

_READ = 1 << 16  # bytes of stdin passed on at a time
_CTRL_C = b"\x03"


class Output(Protocol):
    """Where a task's output goes."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Output of stream 1 or 2, whole. Raises OSError when nobody can take it any more."""


@dataclass(frozen=True)
class Streams:
    """The caller's side of a running container."""

    output: Output
    stdin: int | None  # a file descriptor; None: the task gets no input
    tty: int | None  # the terminal's file descriptor, where the container has a tty
    window: tuple[int, int] | None = None  # the terminal's rows and columns
    kill_on_second_ctrl_c: bool = True  # in a tty; a shell needs its own Ctrl-C


def pump_output(
    engine: Engine, container: str, stream: Stream, output: Output, events: SimpleQueue[Event], *, tty: bool
) -> None:
    """Everything that the container writes, then how it ended; a fault where its output ended before it."""
    try:
        broken = False
        while (chunk := stream.read()) is not None:
            if broken:
                continue
            try:
                output.write(*chunk)
            except OSError as error:
                broken = True
                events.put(Event(unwritable=error))
        # What is written to a terminal may end before the task; else its first process keeps it open.
        events.put(Event(ended=engine.wait(container, after_output=not tty)))
    except Exception as error:  # whatever it is, the main thread must not wait for ever
        events.put(Event(error=error))


@contextmanager
def passed_input(stream: Stream, streams: Streams, events: SimpleQueue[Event]) -> Iterator[None]:
    """Passes the caller's stdin on for as long as the context lasts."""
    if streams.stdin is None:
        yield
        return
    stdin = streams.stdin
    stopped, stop = os.pipe()
    guard = streams.tty is not None and streams.kill_on_second_ctrl_c
    thread = in_background(lambda: _pump_input(stream, stdin, stopped, events if guard else None))
    try:
        yield
    finally:
        os.close(stop)
        stream.close_stdin()  # wakes a writer that the container no longer reads from
        thread.join(timeout=1)
        os.close(stopped)


def _pump_input(stream: Stream, stdin: int, stopped: int, kills: SimpleQueue[Event] | None) -> None:
    """`kills`: two Ctrl-C's in a row from a raw terminal kill; whoever types between them goes on."""
    interrupts = 0
    try:
        while True:
            ready, _, _ = select.select([stdin, stopped], [], [])
            if stopped in ready:
                return
            data = os.read(stdin, _READ)
            if not data:
                break
            if kills is not None:
                interrupts = interrupts + data.count(_CTRL_C) if not data.strip(_CTRL_C) else 0
                if interrupts >= 2:
                    kills.put(Event(kill=True))
            stream.write(data)
    except OSError:
        pass  # the container reads no more, or our stdin is not to be read: a folder, say
    stream.close_stdin()


@contextmanager
def raw_terminal(tty: int | None) -> Iterator[None]:
    """The terminal passes every key on untouched, and is as before afterwards."""
    if tty is None:
        yield
        return
    import termios
    from tty import setraw

    before = termios.tcgetattr(tty)
    setraw(tty, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(tty, termios.TCSADRAIN, before)


def resize(engine: Engine, container: str, tty: int | None) -> None:
    """The container's window becomes as large as the terminal's."""
    if tty is None:
        return
    with suppress(OSError):  # the terminal was closed
        size = os.get_terminal_size(tty)
        engine.resize(container, size.lines, size.columns)
