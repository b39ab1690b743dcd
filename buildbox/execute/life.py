"""A container's life, from create to remove, with the caller's streams and signals tied to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Engine, Stream
from buildbox.errors import EngineError
from buildbox.execute.events import RESIZED, Event, in_background
from buildbox.execute.gate import GO, READY, gated
from buildbox.execute.outcome import Outcome
from buildbox.execute.stop import Stopper, signals, stop_asked
from buildbox.execute.streams import Streams, passed_input, pump_output, raw_terminal, resize

_GRACE = 10.0  # seconds between the request to stop and the kill, after a timeout
_TICK = 1.0  # seconds
_LEFT = "Its container may be left there; the next run at that engine removes it."


def execute(
    engine: Engine,
    spec: ContainerSpec,
    streams: Streams,
    *,
    timeout: float | None,
    say: Callable[[str], None],
    grace: float = _GRACE,
) -> Outcome:
    """Runs `spec` to its end, in the main thread, whose signals it heeds; nothing of it is left.

    `timeout` and `grace` in seconds. Raises ImageMissing before anything was started, EngineError when the
    engine fails.
    """
    events: SimpleQueue[Event] = SimpleQueue()
    execution = Execution(engine, spec, streams, say=say, grace=grace, events=events, alone=True)
    with signals(events), _removed(execution):
        return execution.run(timeout)


class Execution:
    """One container. Its methods are called one after the other, from any thread; `signal` at any time.

    In threads that no signals are delivered to, whoever gets them passes them on with `signal`.
    """

    def __init__(
        self,
        engine: Engine,
        spec: ContainerSpec,
        streams: Streams,
        *,
        say: Callable[[str], None],
        grace: float = _GRACE,
        events: SimpleQueue[Event] | None = None,
        alone: bool = False,
    ) -> None:
        """`alone`: it is all that runs, and says so when it is interrupted. `grace` as in `execute`."""
        self._engine = engine
        self._spec = spec
        self._streams = streams
        self._say = say
        self._grace = grace
        self._events = events or SimpleQueue()
        self._alone = alone
        self._container = ""
        self._stream: Stream | None = None
        self._at_gate = False

    def park(self, shell: Sequence[str]) -> None:
        """Makes the container; starts it at a gate of `shell`, the toolchain's, where that can't be told.

        Raises ImageMissing before anything was started, EngineError.
        """
        gate = gated(self._spec, shell)
        if gate:
            self._at_gate = self._start_gate(self._create(gate))
            if self._at_gate:
                return
            self.remove()  # the image has no such shell, say
        self._create(self._spec)

    def run(self, timeout: float | None) -> Outcome:
        """The command, from its start to its end; `timeout` in seconds from here. Raises as `park`."""
        stream = self._stream or self._create(self._spec)
        early = stop_asked(self._events)
        if early:
            return Outcome(128 + early, 0.0, signal=early)
        begun = time.monotonic()
        if self._at_gate:
            self._open_gate(stream)
        else:
            self._engine.start(self._container)
        return self._follow(stream, begun, timeout)

    def signal(self, number: int) -> None:
        """A signal came: the first of its kind goes to the command, the second kills it, as SIGKILL does."""
        self._events.put(Event(signal=number))

    def remove(self) -> None:
        """Removes the container, whatever it is at. Raises EngineError."""
        stream, container = self._stream, self._container
        self._stream, self._container, self._at_gate = None, "", False
        if stream:
            stream.close()
        if container:
            self._engine.remove(container)

    def _create(self, spec: ContainerSpec) -> Stream:
        self._container = self._engine.create(spec)
        self._stream = self._engine.attach(self._container, spec)
        return self._stream

    def _start_gate(self, stream: Stream) -> bool:
        """Whether the gate is up."""
        self._engine.start(self._container)
        said = stream.read()
        return said is not None and (said[0], b"".join(said[1])) == (1, READY)

    def _open_gate(self, stream: Stream) -> None:
        try:
            stream.write(GO)
        except OSError:
            raise EngineError(
                "the engine let go of a container that was made ready", "Look at the engine's log."
            ) from None
        stream.close_stdin()

    def _follow(self, stream: Stream, begun: float, timeout: float | None) -> Outcome:
        engine, container, spec, streams = self._engine, self._container, self._spec, self._streams
        events = self._events
        stopper = Stopper(engine, container, self._grace, self._say, alone=self._alone)
        with raw_terminal(streams.tty), passed_input(stream, streams, events):
            if spec.tty and spec.window:
                engine.resize(container, *spec.window)
            in_background(
                lambda: pump_output(engine, container, stream, streams.output, events, tty=spec.tty)
            )
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
def _removed(execution: Execution) -> Iterator[None]:
    """The container is gone at the end of the context; the first fault is the one that is told."""
    try:
        yield
    except EngineError as error:
        try:
            execution.remove()
        except EngineError:
            error.hint = f"{error.hint}\n{_LEFT}"
        raise
    except BaseException:
        with suppress(EngineError):
            execution.remove()
        raise
    execution.remove()
