"""`buildbox capsule`: one file a verb."""

from __future__ import annotations

import typer

from buildbox.cli.capsule.create import create
from buildbox.cli.capsule.show import show


def add_to(app: typer.Typer) -> None:
    """Adds the group with its verbs."""
    group = typer.Typer(
        help="One file that holds all it takes to build something again.", rich_markup_mode=None
    )
    for verb in (create, show):
        group.command()(verb)
    app.add_typer(group, name="capsule")
