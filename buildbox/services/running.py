"""One service's container, from its start to its removal."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from buildbox.archive.images import ImageConfig
from buildbox.config.model import Service
from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, Engine, Stream
from buildbox.errors import BuildboxError, EngineError
from buildbox.execute import Output
from buildbox.execute.events import in_background
from buildbox.services.faults import ServiceFailed, ServiceLate
from buildbox.services.ready import readiness

_POLL = 0.1  # seconds between two questions whether it is ready
_TO_TELL = 5.0  # seconds that an engine has to tell how a container ended
_LAST_LINES = 20  # of its output, that are told when it fails
_LAST_BYTES = 16 << 10  # of these lines


class Running:
    """A service that is being started, runs, or has ended; watched by threads of its own.

    `changed` is set whenever `is_ready`, `ended` or `fault` may have changed.
    """

    def __init__(self, service: Service, output: Output, changed: threading.Event) -> None:
        self.service = service
        self.is_ready = False
        self.ended: Ended | None = None
        self.fault: Exception | None = None
        self.deadline = float("inf")  # on the monotonic clock, from its start on
        self._why_not = "it isn't running yet"
        self._output = output
        self._changed = changed
        self._last: deque[bytes] = deque()
        self._kept = 0  # bytes in _last
        self._container: str | None = None
        self._leaving = False
        self._is_over = False  # its output has ended, and so it has, or is about to
        self._threads: list[threading.Thread] = []

    def start(self, engine: Engine, spec: ContainerSpec, image: ImageConfig) -> None:
        """Starts it in the background; `fault` says what went wrong."""
        self._in_thread(lambda: self._start(engine, spec, image))

    def stop(self, engine: Engine) -> None:
        """Removes its container, and waits until the last of its output is written. Raises EngineError."""
        self._leaving = True
        if self._threads:
            self._threads[0].join()  # it may just be creating the container
        if self._container:
            engine.remove(self._container)
        for thread in self._threads[1:]:
            thread.join(timeout=5)

    def failure(self, now: float) -> ServiceFailed | None:
        """What went wrong before it was ready."""
        name = self.service.name
        if isinstance(self.fault, ServiceFailed):
            return ServiceFailed(self.fault.reason, self._told(self.fault.hint))
        if isinstance(self.fault, BuildboxError):
            return ServiceFailed(f"service {name!r}: {self.fault.reason}", self._told(self.fault.hint))
        if self.ended:
            return ServiceFailed(f"service {name!r} {self.end()} before it was ready", self._told())
        if now > self.deadline:
            waited = self.service.ready_timeout
            return ServiceLate(
                f"service {name!r} wasn't ready within {waited:g} s: {self._why_not}",
                self._told(f"Its ready-timeout allows for more: [services.{name}] ready-timeout"),
            )
        return None

    def has_ended(self) -> bool:
        """Whether it has ended by itself; waits for the engine to say how, where its output is at its end."""
        until = time.monotonic() + _TO_TELL
        while self._is_over and not (self.ended or self.fault) and time.monotonic() < until:
            time.sleep(_POLL / 10)
        return self.ended is not None

    def end(self) -> str:
        """How it ended, in words."""
        if self.ended and self.ended.out_of_memory:
            return "was killed by the kernel at its memory limit"
        return f"ended with status {self.ended.status}" if self.ended else "runs"

    def last_output(self) -> str:
        """The last lines that it printed."""
        text = b"".join(self._last).decode(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-_LAST_LINES:])

    def _told(self, hint: str = "") -> str:
        last = self.last_output()
        parts = [f"The last that it printed:\n{last}" if last else "It printed nothing.", hint]
        return "\n".join(part for part in parts if part)

    def _in_thread(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:
                if not self._leaving:
                    self.fault = error
            self._changed.set()

        self._threads.append(in_background(guarded))

    def _start(self, engine: Engine, spec: ContainerSpec, image: ImageConfig) -> None:
        if self._leaving:
            return
        self._container = container = engine.create(spec)
        stream = engine.attach(container, spec)
        self._in_thread(lambda: self._pump(engine, container, stream))
        engine.start(container)
        self.deadline = time.monotonic() + self.service.ready_timeout
        self._in_thread(lambda: self._become_ready(engine, container, image))

    def _pump(self, engine: Engine, container: str, stream: Stream) -> None:
        """Passes its output on, then notes how it ended."""
        lost = False
        try:
            while (chunk := stream.read()) is not None:
                self._keep(b"".join(chunk[1]))
                try:
                    if not lost:
                        self._output.write(*chunk)
                except OSError:
                    lost = True  # a full disk is no reason to end a task
        finally:
            self._is_over = True
            stream.close()
        self.ended = None if self._leaving else engine.wait(container, after_output=True)

    def _keep(self, data: bytes) -> None:
        self._last.append(data[-_LAST_BYTES:])
        self._kept += len(self._last[-1])
        while self._kept - len(self._last[0]) >= _LAST_BYTES:
            self._kept -= len(self._last.popleft())

    def _become_ready(self, engine: Engine, container: str, image: ImageConfig) -> None:
        ask = readiness(engine, container, self.service, image)
        while not (self._leaving or self.ended):
            try:
                ready, self._why_not = ask()
                self.is_ready = ready and not self._is_over
            except ServiceFailed:
                raise
            except EngineError:
                # Nothing can be run in what has ended, which `ended` tells better; Podman takes a while to.
                until = time.monotonic() + _TO_TELL
                while not (self.ended or self.fault or self._leaving) and time.monotonic() < until:
                    time.sleep(_POLL)
                if not self.ended:
                    raise
                return
            if self.is_ready:
                return
            time.sleep(_POLL)
