"""What the verbs of `buildbox images` are given: a recipe, a place to work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call

if TYPE_CHECKING:
    from buildbox.recipes.workshop import Workshop

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="NAME/VERSION in the catalogue, e.g. python/3.11.")
]


class ToolsFrom(str, Enum):
    """Where the programs that make images are."""

    auto = "auto"
    host = "host"
    container = "container"


ToolsChoice = Annotated[
    ToolsFrom,
    typer.Option(
        "--tools",
        help="Whose apt and mmdebstrap: this machine's, or a container's; auto: a container's if need be.",
    ),
]
AllowSnapshot = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="snapshot=URL",
        help="Let the project's own recipes have packages from the snapshot service that they name.",
    ),
]


@contextmanager
def workshop(
    call: Call, recipe: str, tools: ToolsFrom = ToolsFrom.auto, allowed: Sequence[str] | None = None
) -> Iterator[Workshop]:
    """Where and with what `recipe` is locked, built or checked.

    Raises ImageError where the machine lacks programs, ConfigError, UsageError.
    """
    from buildbox.recipes.hosttools import HostTools
    from buildbox.recipes.tools import missing_tools, need_tools
    from buildbox.recipes.workshop import Workshop
    from buildbox.toolchains.builder import ContainerTools

    user = call.user
    allowance = user.allowance(call.project_root() or call.host.cwd).plus(allowed or (), call.home)
    in_container = tools is ToolsFrom.container or (tools is ToolsFrom.auto and bool(missing_tools()))
    if not in_container:
        need_tools(recipe)
    with ExitStack() as stack:
        yield Workshop(
            host=call.host,
            temp=Path(call.host.env.get("TMPDIR") or "/tmp"),
            archive=call.archive(),
            tools=ContainerTools(call.host, lambda: stack.enter_context(call.builder()))
            if in_container
            else HostTools(call.host.env, call.host.uid == 0),
            progress=call.console,
            offline=call.offline,
            mirrors=user.images.mirrors,
            allowance=allowance,
        )
