"""Who asks a running task to stop (signals, the clock, a reader that left), and what its end then means."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

from buildbox.engine.protocol import Ended, Engine
from buildbox.errors import Exit
from buildbox.execute.events import FORWARDED, RESIZED, Event
from buildbox.execute.outcome import Outcome

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PATIENCE = 2  # events that a hanging engine may keep us from before a signal ends us at once


class Stopper:
    """Who asked the task to stop, and what its end then means."""

    def __init__(
        self, engine: Engine, container: str, grace: float, say: Callable[[str], None], *, alone: bool
    ) -> None:
        self._engine = engine
        self._container = container
        self._grace = grace
        self._say = say
        self._alone = alone  # else whoever runs several tells the person, once
        self._seen: set[int] = set()
        self._first = 0  # the first signal that asked to stop
        self._killed_for = 0  # the exit status that a kill of ours stands for
        self._timed_out = False

    def asked(self, number: int) -> None:
        """A signal came: the first goes to the task, the second of its kind kills it."""
        if number == signal.SIGKILL or (number in self._seen and number in STOPPING):
            self._first = self._first or number
            self._kill(128 + number)
            return
        self._seen.add(number)
        if number in STOPPING:
            self._first = self._first or number
        self._engine.signal(self._container, signal.Signals(number).name)
        if number == signal.SIGINT and self._alone:
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
        return Outcome(int(status), 0.0, ended, self._timed_out, self._first)

    def _kill(self, status: int) -> None:
        self._killed_for = self._killed_for or status
        self._engine.signal(self._container, "SIGKILL")


@contextmanager
def signals(events: SimpleQueue[Event]) -> Iterator[None]:
    """Signals become events; one that the caller ignores (nohup) stays ignored.

    Raises KeyboardInterrupt where they pile up because the engine doesn't answer.
    """

    def note(number: int) -> None:
        if number in STOPPING and events.qsize() >= _PATIENCE:
            raise KeyboardInterrupt
        events.put(Event(signal=number))

    with caught((*FORWARDED, RESIZED), note):
        yield


@contextmanager
def caught(numbers: Iterable[int], note: Callable[[int], None]) -> Iterator[None]:
    """Signals call `note`, in the main thread, where this must be; one that the caller ignores stays so."""

    def handle(number: int, frame: FrameType | None) -> None:
        note(number)

    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_asked(events: SimpleQueue[Event]) -> int:
    """The signal that asked to stop before there was a task to tell, or 0."""
    while not events.empty():
        number = events.get().signal
        if number in (*STOPPING, signal.SIGKILL):
            return number
    return 0
