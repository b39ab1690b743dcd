"""How a service fails its task. Each is told with what the service printed last."""

from __future__ import annotations

from buildbox.errors import EngineError, Exit


class ServiceFailed(EngineError):
    """A service can't be started, ended before it was ready, or can't be asked whether it is."""


class ServiceLate(ServiceFailed):
    """A service wasn't ready within its `ready-timeout`."""

    exit = Exit.TIMEOUT


class ServiceStopped(EngineError):
    """Nobody waits for the services any more."""

    exit = Exit.INTERRUPTED
