"""`buildbox images`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call

Name = Annotated[
    str, typer.Argument(metavar="RECIPE", help="NAME/VERSION in the catalogue, e.g. python/3.11.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(help="Make toolchain images from recipes.", rich_markup_mode=None)
    group.command()(build)
    group.command()(lock)
    app.add_typer(group, name="images")


def build(
    ctx: typer.Context,
    recipe: Name,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the pin into the recipe's folder, for whoever builds it next."),
    ] = False,
) -> None:
    """Make the image of a recipe from its lock, and print its pin.

    The image is in the archive then, and so are its packages: building it again needs no network. Its
    digest is the same wherever it is built.
    With --json: {"pin", "manifest", "config", "diff-id", "size", "recorded"}.

    Examples:

      buildbox images build python/3.11
    """
    from buildbox.recipes.build import build as build_image
    from buildbox.recipes.catalogue import find_recipe, own_catalogue, record_pin, recorded_pin

    call: Call = ctx.obj
    folder = find_recipe(recipe, [own_catalogue()])
    built = build_image(folder, call.archive(), _scratch(call), call.host, call.console, call.offline)
    if record:
        record_pin(folder, built.pin)
    recorded = recorded_pin(folder)
    if recorded and recorded != built.pin:
        call.console.say(f"this is not the recorded pin, {recorded}")
    if call.console.json:
        call.console.document(
            {
                "pin": str(built.pin),
                "manifest": str(built.manifest),
                "config": str(built.config),
                "diff-id": str(built.diff_id),
                "size": built.size,
                "recorded": str(recorded) if recorded else None,
            }
        )
        return
    call.console.lines([str(built.pin)])


def lock(ctx: typer.Context, recipe: Name) -> None:
    """Resolve a recipe to exact packages with this machine's apt, and write its lock.

    With --json: {"lock", "packages", "changes"}.

    Examples:

      buildbox images lock python/3.11
    """
    from buildbox.recipes.catalogue import find_recipe, own_catalogue
    from buildbox.recipes.lock import changes, old_packages, write_lock
    from buildbox.recipes.recipe import read_recipe
    from buildbox.recipes.resolve import resolve

    call: Call = ctx.obj
    folder = find_recipe(recipe, [own_catalogue()])
    before = old_packages(folder)
    new = resolve(read_recipe(folder), _scratch(call), call.host.env, call.console)
    path = write_lock(folder, new, recipe)
    lines = changes(before, new.packages)
    if call.console.json:
        call.console.document({"lock": str(path), "packages": len(new.packages), "changes": lines})
        return
    for line in lines:
        call.console.say(line)
    call.console.say(f"{path}: {len(new.packages)} packages of {new.suite} {new.release}")


def _scratch(call: Call) -> Path:
    return Path(call.host.env.get("TMPDIR") or "/tmp")
