"""`buildbox archive`: one file a verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from buildbox.cli.archive.add import add
from buildbox.cli.archive.check import check
from buildbox.cli.archive.gc import gc
from buildbox.cli.archive.list import show
from buildbox.cli.archive.pull import pull
from buildbox.cli.archive.push import push
from buildbox.cli.archive.restore import restore
from buildbox.cli.archive.save import save

VERBS: tuple[Callable[..., Any], ...] = (save, restore, add, check, gc, push, pull)


def add_to(app: typer.Typer) -> None:
    """Adds the group with its verbs."""
    group = typer.Typer(help="Keep images, whatever becomes of their registries.", rich_markup_mode=None)
    for verb in VERBS:
        group.command()(verb)
    group.command(name="list")(show)
    app.add_typer(group, name="archive")
