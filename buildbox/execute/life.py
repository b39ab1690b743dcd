"""A container's life, from create to remove, with the caller's streams and signals tied to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Engine, Stream
from buildbox.errors import EngineError
from buildbox.execute.events import RESIZED, Event, in_background
from buildbox.execute.outcome import Outcome
from buildbox.execute.stop import Stopper, signals, stop_asked
from buildbox.execute.streams import Streams, passed_input, pump_output, raw_terminal, resize

_GRACE = 10.0  # seconds between the request to stop and the kill, after a timeout
_TICK = 1.0  # seconds


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
    events: SimpleQueue[Event] = SimpleQueue()
    with signals(events):
        container = engine.create(spec)
        with _removed(engine, container), closing(engine.attach(container, spec)) as stream:
            early = stop_asked(events)
            if early:
                return Outcome(128 + early, 0.0, signal=early)
            stopper = Stopper(engine, container, grace, say)
            return _run(engine, container, spec, stream, streams, timeout, events, stopper)


def _run(
    engine: Engine,
    container: str,
    spec: ContainerSpec,
    stream: Stream,
    streams: Streams,
    timeout: float | None,
    events: SimpleQueue[Event],
    stopper: Stopper,
) -> Outcome:
    begun = time.monotonic()
    engine.start(container)
    with raw_terminal(streams.tty), passed_input(stream, streams, events):
        if spec.tty and spec.window:
            engine.resize(container, *spec.window)
        in_background(lambda: pump_output(engine, container, stream, streams.output, events))
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
            elif event.signal == RESIZED:
                resize(engine, container, streams.tty)
            else:
                stopper.asked(event.signal)


def _nap(deadline: float | None) -> float:
    """Seconds to wait for an event. A signal that comes right as Python falls asleep wakes nobody."""
    return min(_TICK, max(0.0, deadline - time.monotonic())) if deadline else _TICK


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
