"""Options and arguments that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="WHAT",
        help="Let this run have what only you may grant: mount=/path, network=NAME, env=NAME, root, git.",
    ),
]
