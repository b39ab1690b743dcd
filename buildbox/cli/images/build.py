"""`buildbox images build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import AllowSnapshot, RecipeName, ToolsChoice, ToolsFrom, workshop

if TYPE_CHECKING:
    from buildbox.recipes.record import Built


def build(
    ctx: typer.Context,
    recipe: RecipeName,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the pin into the recipe's folder, for whoever builds it next."),
    ] = False,
    tools: ToolsChoice = ToolsFrom.auto,
    allow: AllowSnapshot = None,
) -> None:
    """Make the image of a recipe from its lock, and print its pin.

    The image is in the archive then, and so are its packages: building it again needs no network. Its
    digest is the same wherever it is built.

    A recipe that is a Dockerfile is built by the engine, from images with digests only. Its instructions
    have a network, unless --offline says otherwise, and building it again may give another digest.
    With --json: {"pin", "manifest", "config", "diff-ids", "size", "recorded"}.

    Examples:

      buildbox images build python/3.11
    """
    from buildbox.recipes.build import build as build_image
    from buildbox.recipes.catalogue import find_recipe, kind, need_own
    from buildbox.recipes.dockerfile import DOCKERFILE
    from buildbox.recipes.record import record as write_record
    from buildbox.recipes.record import recorded

    call: Call = ctx.obj
    folder = find_recipe(recipe, call.catalogues())
    if record:
        need_own(folder)
    if kind(folder) == DOCKERFILE:
        built = _build_dockerfile(call, folder)
    else:
        with workshop(call, recipe, tools, allow) as shop:
            built = build_image(folder, shop)
    if record:
        write_record(folder, built)
    known = recorded(folder)
    if known and known.pin != built.pin:
        why = ", which is of another lock; --record writes this one" if known.lock != built.lock else ""
        call.console.say(f"this is not the recorded pin, {known.pin}{why}")
    if call.console.json:
        call.console.document(
            {
                "pin": str(built.pin),
                "manifest": str(built.manifest),
                "config": str(built.config),
                "diff-ids": [str(each) for each in built.diff_ids],
                "size": built.size,
                "recorded": str(known.pin) if known else None,
            }
        )
        return
    call.console.lines([str(built.pin)])


def _build_dockerfile(call: Call, folder: Path) -> Built:
    from buildbox.cli.images.dockerfile import by_engine
    from buildbox.toolchains.dockerfile import build_dockerfile

    with by_engine(call) as (shop, by):
        built = build_dockerfile(folder, shop, by)
    call.console.say(
        "another build of a Dockerfile may give another digest: commit the pin, keep the archive"
    )
    return built
