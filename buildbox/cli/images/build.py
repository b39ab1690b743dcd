"""`buildbox images build`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import RecipeName, workshop


def build(
    ctx: typer.Context,
    recipe: RecipeName,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the pin into the recipe's folder, for whoever builds it next."),
    ] = False,
) -> None:
    """Make the image of a recipe from its lock, and print its pin.

    The image is in the archive then, and so are its packages: building it again needs no network. Its
    digest is the same wherever it is built.
    With --json: {"pin", "manifest", "config", "diff-ids", "size", "recorded"}.

    Examples:

      buildbox images build python/3.11
    """
    from buildbox.recipes.build import build as build_image
    from buildbox.recipes.catalogue import find_recipe
    from buildbox.recipes.record import record as write_record
    from buildbox.recipes.record import recorded_pin

    call: Call = ctx.obj
    folder = find_recipe(recipe, call.catalogues())
    with workshop(call, recipe) as shop:
        built = build_image(folder, shop)
    if record:
        write_record(folder, built)
    recorded = recorded_pin(folder)
    if recorded and recorded != built.pin:
        call.console.say(f"this is not the recorded pin, {recorded}")
    if call.console.json:
        call.console.document(
            {
                "pin": str(built.pin),
                "manifest": str(built.manifest),
                "config": str(built.config),
                "diff-ids": [str(each) for each in built.diff_ids],
                "size": built.size,
                "recorded": str(recorded) if recorded else None,
            }
        )
        return
    call.console.lines([str(built.pin)])
