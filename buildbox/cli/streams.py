"""The caller's stdin, stdout and stderr, as a task gets them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from buildbox.console import Console, write_all
from buildbox.execute import Streams
from buildbox.host import Host


class Descriptors:
    """A task's output straight to the caller's stdout and stderr."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Raises OSError when nobody reads it any more."""
        write_all(stream, views)


class Events:
    """A task's output as JSON lines: `text` where it is UTF-8, else `base64`."""

    def __init__(self, console: Console, task: str) -> None:
        self._console = console
        self._task = task

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Raises OSError when nobody reads it any more."""
        from buildbox.console.events import output_event

        self._console.event(output_event(self._task, stream, views))


def task_streams(
    host: Host, console: Console, task: str, *, alone: bool, interactive: bool = False
) -> Streams:
    """A tty only if stdin and stdout both are; otherwise stdin is piped to a task that runs `alone`.

    `interactive` commands handle every Ctrl-C themselves.
    """
    if console.json:
        return Streams(Events(console, task), _piped_stdin(host) if alone else None, None)
    if host.stdin_tty and host.stdout_tty and _in_foreground():
        size = os.get_terminal_size(0)
        return Streams(Descriptors(), 0, 0, (size.lines, size.columns), not interactive)
    return Streams(Descriptors(), _piped_stdin(host) if alone else None, None)


def _piped_stdin(host: Host) -> int | None:
    """Descriptor 0, unless it is a terminal that would stop us for reading it."""
    return None if host.stdin_tty and not _in_foreground() else 0


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
