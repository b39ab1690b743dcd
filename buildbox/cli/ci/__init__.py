"""`buildbox ci`: one file a verb."""

from __future__ import annotations

import typer

from buildbox.cli.ci.github import github
from buildbox.cli.ci.gitlab import gitlab
from buildbox.cli.ci.matrix import matrix


def add_to(app: typer.Typer) -> None:
    """Adds the group with its verbs."""
    group = typer.Typer(help="Pipelines of CI systems, from the task graph.", rich_markup_mode=None)
    for verb in (github, gitlab, matrix):
        group.command()(verb)
    app.add_typer(group, name="ci")
