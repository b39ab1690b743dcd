"""`buildbox shell`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.exec import run_by_hand
from buildbox.cli.options import Allow


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(shell)


def shell(
    ctx: typer.Context,
    toolchain: Annotated[str | None, typer.Argument(metavar="[TOOLCHAIN]")] = None,
    allow: Allow = None,
) -> int:
    """A shell in a toolchain's container, in the folder that you are in.

    Examples:

      buildbox shell

      buildbox shell python

      echo 'make check' | buildbox shell
    """
    call: Call = ctx.obj
    return run_by_hand(call, toolchain, (), allow or [])
