"""A session's connection to an engine that a test has at hand."""

from __future__ import annotations

from contextlib import nullcontext

from buildbox.engine.protocol import Engine
from buildbox.engine.sight import Outlook, Sight
from buildbox.session import Connected, Connection


def connected_to(engine: Engine, run: str, *, rootless: bool = False) -> Connection:
    """A connection that is there at once."""
    sight = Sight(engine, Outlook(engine.address.startswith("unix://")))
    return Connection(lambda: nullcontext(Connected(engine, run, rootless, sight)))
