"""What the verbs of `buildbox images` are given: a recipe, a place to work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call

if TYPE_CHECKING:
    from buildbox.recipes.workshop import Workshop

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="NAME/VERSION in the catalogue, e.g. python/3.11.")
]


@contextmanager
def workshop(call: Call, recipe: str) -> Iterator[Workshop]:
    """Where and with what `recipe` is locked or built. Raises ImageError where the machine lacks programs."""
    from buildbox.recipes.hosttools import HostTools
    from buildbox.recipes.tools import need_tools
    from buildbox.recipes.workshop import Workshop

    need_tools(recipe)
    yield Workshop(
        host=call.host,
        temp=Path(call.host.env.get("TMPDIR") or "/tmp"),
        archive=call.archive(),
        tools=HostTools(call.host.env, call.host.uid == 0),
        progress=call.console,
        offline=call.offline,
    )
