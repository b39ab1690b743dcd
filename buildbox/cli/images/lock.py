"""`buildbox images lock`."""

from __future__ import annotations

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import RecipeName, ToolsChoice, ToolsFrom, workshop
from buildbox.errors import UsageError


def lock(
    ctx: typer.Context,
    recipe: RecipeName,
    tools: ToolsChoice = ToolsFrom.auto,
) -> None:
    """Resolve a recipe to exact packages with apt and this machine's mirrors, and write its lock.

    With --json: {"lock", "packages", "wheels", "changes"}.

    Examples:

      buildbox images lock python/3.11
    """
    from buildbox.recipes.catalogue import find_recipe, need_debian, need_own
    from buildbox.recipes.lock import changes, old_contents, write_lock
    from buildbox.recipes.recipe import read_recipe
    from buildbox.recipes.resolve import resolve

    call: Call = ctx.obj
    if call.offline:
        raise UsageError("lock asks mirrors what there is", "Leave --offline out.")
    folder = find_recipe(recipe, call.catalogues())
    need_debian(folder, "write")
    need_own(folder)
    before = old_contents(folder)
    read = read_recipe(folder)
    with workshop(call, recipe, tools) as shop:
        new = resolve(read, shop)
    path = write_lock(folder, new, recipe)
    lines = changes(before, (*new.packages, *new.wheels))
    if call.console.json:
        counts = {"packages": len(new.packages), "wheels": len(new.wheels)}
        call.console.document({"lock": str(path), **counts, "changes": lines})
        return
    for line in lines if before else ():
        call.console.say(line)
    wheels = f" and {len(new.wheels)} wheels" if new.wheels else ""
    call.console.say(f"{path}: {len(new.packages)} packages of {new.suite} {new.release}{wheels}")
