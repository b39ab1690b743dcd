"""`buildbox schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(schema)


def schema(
    ctx: typer.Context,
    user: Annotated[
        bool, typer.Option("--user", help="Of your own config.toml, instead of a project's file.")
    ] = False,
) -> None:
    """Print the JSON Schema (draft 7) of .buildbox.toml, for editors that complete and check TOML by one.

    What it calls wrong is wrong; what it can't know (names, values that don't fit together) `check` finds.

    Prints the same with --json.

    Examples:

      buildbox schema > buildbox.schema.json

      buildbox schema --user > config.schema.json
    """
    from buildbox.config.keys import PROJECT_FILE, USER_FILE
    from buildbox.config.schema import schema as schema_of

    call: Call = ctx.obj
    call.console.document(schema_of(USER_FILE if user else PROJECT_FILE))
