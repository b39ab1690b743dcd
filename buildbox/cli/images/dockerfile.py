"""What the verbs of `buildbox images` need for Dockerfile recipes: an engine, and gzip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.cli.call import Call

if TYPE_CHECKING:
    from buildbox.recipes.workshop import Workshop
    from buildbox.toolchains.dockerfile import ByEngine


@contextmanager
def by_engine(call: Call) -> Iterator[tuple[Workshop, ByEngine]]:
    """Where and with what the image of a Dockerfile is built. Raises EngineError."""
    from buildbox.recipes.hosttools import HostTools
    from buildbox.recipes.workshop import Workshop
    from buildbox.toolchains.dockerfile import ByEngine

    engine = call.connect(call.address())
    shop = Workshop(
        host=call.host,
        temp=Path(call.host.env.get("TMPDIR") or "/tmp"),
        archive=call.archive(),
        tools=HostTools(call.host.env, call.host.uid == 0),
        progress=call.console,
        offline=call.offline,
    )
    yield shop, ByEngine(engine, call.registry, call.recipe_for, call.places)
    engine.close()
