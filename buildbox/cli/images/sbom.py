"""`buildbox images sbom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import RecipeName


def sbom(
    ctx: typer.Context,
    recipe: RecipeName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there instead of to stdout."),
    ] = None,
) -> None:
    """Write a software bill of materials of a recipe's image: CycloneDX 1.6, in JSON.

    It is made from the lock alone, without a network, an engine or a build, and the same lock gives the
    same bytes: each Debian package, each Python distribution and each file laid in, with its sha256.
    With -o and --json: {"sbom", "components"}.

    Examples:

      buildbox images sbom python/3.11 > python.cdx.json

      buildbox images sbom python/3.11 -o python.cdx.json
    """
    from buildbox.recipes.catalogue import find_recipe
    from buildbox.recipes.lock import read_lock
    from buildbox.recipes.recipe import read_recipe
    from buildbox.recipes.record import recorded_for
    from buildbox.recipes.sbom import bill_of_materials, need_lock, render_bill, write_bill

    call: Call = ctx.obj
    folder = find_recipe(recipe, call.catalogues())
    need_lock(folder)
    found = read_recipe(folder)
    lock = read_lock(folder, found)
    built = recorded_for(folder, lock)
    bill = bill_of_materials(found, lock, built.pin if built else None)
    if output is None:
        call.console.lines(render_bill(bill).splitlines())
        return
    path = call.host.cwd / output
    write_bill(path, render_bill(bill))
    components = len(bill["components"])
    if call.console.json:
        call.console.document({"sbom": str(path), "components": components})
    else:
        call.console.say(f"{path}: {components} components")
