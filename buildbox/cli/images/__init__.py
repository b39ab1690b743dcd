"""`buildbox images`: one file a verb."""

from __future__ import annotations

import typer

from buildbox.cli.images.build import build
from buildbox.cli.images.check import check
from buildbox.cli.images.list import show
from buildbox.cli.images.lock import lock
from buildbox.cli.images.publish import publish
from buildbox.cli.images.sbom import sbom


def add_to(app: typer.Typer) -> None:
    """Adds the group with its verbs."""
    group = typer.Typer(help="Make toolchain images from recipes.", rich_markup_mode=None)
    for verb in (build, check, lock, publish, sbom):
        group.command()(verb)
    group.command(name="list")(show)
    app.add_typer(group, name="images")
