"""What the main thread of a running step waits for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildbox.engine.protocol import Ended

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
RESIZED = signal.SIGWINCH


@dataclass(frozen=True)
class Event:
    """Something that the main thread must know: exactly one of the fields is set."""

    signal: int = 0
    ended: Ended | None = None
    unwritable: OSError | None = None  # nobody takes the task's output
    error: Exception | None = None
    kill: bool = False  # the person at a raw terminal insists


def in_background(work: Callable[[], None]) -> threading.Thread:
    """A thread that no signal is delivered to: only the main thread would be woken by one."""
    thread = threading.Thread(target=work, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, RESIZED})
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
