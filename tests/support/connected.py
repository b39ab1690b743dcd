"""A session's connection to an engine that a test has at hand."""

from __future__ import annotations

from contextlib import nullcontext

from buildbox.engine.protocol import Engine
from buildbox.session import Connected, Connection


def connected_to(engine: Engine, run: str, *, rootless: bool = False) -> Connection:
    """A connection that is there at once."""
    return Connection(lambda: nullcontext(Connected(engine, run, rootless, engine.address.startswith("unix://"))))
