"""What the verbs of `buildbox images` are given: a recipe, a place to work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="NAME/VERSION in the catalogue, e.g. python/3.11.")
]


def scratch(call: Call) -> Path:
    """A folder for scratch files, the caller's TMPDIR."""
    return Path(call.host.env.get("TMPDIR") or "/tmp")
