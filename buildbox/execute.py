"""A container's life, from create to remove, with the caller's streams and signals tied to it."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Protocol

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, Engine, Stream
from buildbox.errors import EngineError, Exit

_GRACE = 10.0  # seconds between the request to stop and the kill, after a timeout
_PATIENCE = 2  # events that a hanging engine may keep us from before a signal ends us at once
_TICK = 1.0  # seconds
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_READ = 1 << 16  # bytes of stdin passed on at a time
_CTRL_C = b"\x03"


@dataclass(frozen=True)
class Outcome:
    """What happened to a step."""

    status: int  # buildbox's exit status for it: the task's own, but for a timeout or a kill
    seconds: float  # from start to end
    ended: Ended | None = None  # None: it never started
    timed_out: bool = False


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


def execute(
    engine: Engine,
    spec: ContainerSpec,
    streams: Streams,
    *,
    timeout: float | None,
    say: Callable[[str], None],
    grace: float = _GRACE,
) -> Outcome:
    """Runs `spec` to its end; nothing of it is left. `timeout` and `grace` in seconds.

    Raises ImageMissing before anything was started, EngineError when the engine fails.
    """
    events: SimpleQueue[_Event] = SimpleQueue()
    with _signals(events):
        container = engine.create(spec)
        with _removed(engine, container), closing(engine.attach(container, spec)) as stream:
            early = _stop_asked(events)
            if early:
                return Outcome(128 + early, 0.0)
            stopper = _Stopper(engine, container, grace, say)
            return _run(engine, container, spec, stream, streams, timeout, events, stopper)


@dataclass(frozen=True)
class _Event:
    """Something that the main thread must know: exactly one of the fields is set."""

    signal: int = 0
    ended: Ended | None = None
    unwritable: OSError | None = None  # nobody takes the task's output
    error: Exception | None = None
    kill: bool = False  # the person at a raw terminal insists


def _run(
    engine: Engine,
    container: str,
    spec: ContainerSpec,
    stream: Stream,
    streams: Streams,
    timeout: float | None,
    events: SimpleQueue[_Event],
    stopper: _Stopper,
) -> Outcome:
    begun = time.monotonic()
    engine.start(container)
    with _raw_terminal(streams.tty), _input(stream, streams, events):
        if spec.tty and spec.window:
            engine.resize(container, *spec.window)
        _in_background(lambda: _pump_output(engine, container, stream, streams.output, events))
        deadline = begun + timeout if timeout else None
        while True:
            try:
                event = events.get(timeout=_nap(deadline))
            except Empty:
                if deadline and time.monotonic() >= deadline:
                    deadline = stopper.time_is_up(timeout or 0)
                continue
            if event.ended:
                seconds = time.monotonic() - begun
                return replace(stopper.outcome(event.ended), seconds=seconds)
            if event.error:
                raise event.error
            if event.unwritable:
                stopper.unwritable(event.unwritable)
            elif event.kill:
                stopper.killed()
            elif event.signal == signal.SIGWINCH:
                _resize(engine, container, streams.tty)
            else:
                stopper.asked(event.signal)


def _nap(deadline: float | None) -> float:
    """Seconds to wait for an event. A signal that comes right as Python falls asleep wakes nobody."""
    return min(_TICK, max(0.0, deadline - time.monotonic())) if deadline else _TICK


def _resize(engine: Engine, container: str, tty: int | None) -> None:
    """The container's window becomes as large as the terminal's."""
    if tty is None:
        return
    with suppress(OSError):  # the terminal was closed
        size = os.get_terminal_size(tty)
        engine.resize(container, size.lines, size.columns)


class _Stopper:
    """Who asked the task to stop, and what its end then means."""

    def __init__(self, engine: Engine, container: str, grace: float, say: Callable[[str], None]) -> None:
        self._engine = engine
        self._container = container
        self._grace = grace
        self._say = say
        self._seen: set[int] = set()
        self._killed_for = 0  # the exit status that a kill of ours stands for
        self._timed_out = False

    def asked(self, number: int) -> None:
        """A signal came: the first goes to the task, the second of its kind kills it."""
        if number in self._seen and number in _STOPPING:
            self._kill(128 + number)
            return
        self._seen.add(number)
        self._engine.signal(self._container, signal.Signals(number).name)
        if number == signal.SIGINT:
            self._say("interrupted; waiting for the task to end (Ctrl-C again kills it)")

    def time_is_up(self, timeout: float) -> float | None:
        """The deadline passed: asks first, kills at the next one, which it gives."""
        if self._timed_out:
            self._kill(Exit.TIMEOUT)
            return None
        self._timed_out = True
        self._engine.signal(self._container, "SIGTERM")
        return time.monotonic() + self._grace

    def killed(self) -> None:
        """The second Ctrl-C at a raw terminal, whose first one the task got as a byte."""
        self._kill(Exit.INTERRUPTED)

    def unwritable(self, error: OSError) -> None:
        """Nobody takes the task's output any more: it ends as a SIGPIPE would end it."""
        if not isinstance(error, BrokenPipeError):
            self._say(f"the task was killed, for its output can't be written: {error.strerror}")
        self._kill(Exit.BROKEN_PIPE)

    def outcome(self, ended: Ended) -> Outcome:
        """What the end of the container means."""
        status = Exit.TIMEOUT if self._timed_out else self._killed_for or ended.status
        return Outcome(int(status), 0.0, ended, self._timed_out)

    def _kill(self, status: int) -> None:
        self._killed_for = self._killed_for or status
        self._engine.signal(self._container, "SIGKILL")


def _pump_output(
    engine: Engine, container: str, stream: Stream, output: Output, events: SimpleQueue[_Event]
) -> None:
    """Everything that the container writes, then how it ended."""
    try:
        broken = False
        while (chunk := stream.read()) is not None:
            if broken:
                continue
            try:
                output.write(*chunk)
            except OSError as error:
                broken = True
                events.put(_Event(unwritable=error))
        events.put(_Event(ended=engine.wait(container)))
    except Exception as error:  # whatever it is, the main thread must not wait for ever
        events.put(_Event(error=error))


@contextmanager
def _input(stream: Stream, streams: Streams, events: SimpleQueue[_Event]) -> Iterator[None]:
    """Passes the caller's stdin on for as long as the context lasts."""
    if streams.stdin is None:
        yield
        return
    stdin = streams.stdin
    stopped, stop = os.pipe()
    guard = streams.tty is not None and streams.kill_on_second_ctrl_c
    thread = _in_background(lambda: _pump_input(stream, stdin, stopped, events if guard else None))
    try:
        yield
    finally:
        os.close(stop)
        stream.close_stdin()  # wakes a writer that the container no longer reads from
        thread.join(timeout=1)
        os.close(stopped)


def _pump_input(stream: Stream, stdin: int, stopped: int, kills: SimpleQueue[_Event] | None) -> None:
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
                    kills.put(_Event(kill=True))
            stream.write(data)
    except OSError:
        pass  # the container reads no more, or our stdin is not to be read: a folder, say
    stream.close_stdin()


@contextmanager
def _removed(engine: Engine, container: str) -> Iterator[None]:
    """The container is gone at the end of the context; the first fault is the one that is told."""
    try:
        yield
    except BaseException:
        with suppress(EngineError):
            engine.remove(container)
        raise
    engine.remove(container)


@contextmanager
def _signals(events: SimpleQueue[_Event]) -> Iterator[None]:
    """Signals become events; one that the caller ignores (nohup) stays ignored.

    Raises KeyboardInterrupt where they pile up because the engine doesn't answer.
    """

    def note(number: int, frame: FrameType | None) -> None:
        if number in _STOPPING and events.qsize() >= _PATIENCE:
            raise KeyboardInterrupt
        events.put(_Event(signal=number))

    numbers = [n for n in (*_FORWARDED, signal.SIGWINCH) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_asked(events: SimpleQueue[_Event]) -> int:
    """The signal that asked to stop before there was a task to tell, or 0."""
    while not events.empty():
        number = events.get().signal
        if number in _STOPPING:
            return number
    return 0


@contextmanager
def _raw_terminal(tty: int | None) -> Iterator[None]:
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


def _in_background(work: Callable[[], None]) -> threading.Thread:
    """A thread that no signal is delivered to: only the main thread would be woken by one."""
    thread = threading.Thread(target=work, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGWINCH})
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
