"""`buildbox hook`: one file a verb."""

from __future__ import annotations

import typer

from buildbox.cli.hook.install import install
from buildbox.cli.hook.run import run
from buildbox.cli.hook.uninstall import uninstall


def add_to(app: typer.Typer) -> None:
    """Adds the group with its verbs."""
    group = typer.Typer(help="Run tasks before each commit, on what is staged.", rich_markup_mode=None)
    for verb in (install, uninstall, run):
        group.command()(verb)
    app.add_typer(group, name="hook")
