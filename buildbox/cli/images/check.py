"""`buildbox images check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import AllowSnapshot, ToolsChoice, ToolsFrom, workshop
from buildbox.errors import BuildboxError, Exit

if TYPE_CHECKING:
    from pathlib import Path

    from buildbox.toolchains.check import Checked

RecipeNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RECIPE]...", help="NAME/VERSION, e.g. python/3.11; none: all that have a lock."),
]


def check(
    ctx: typer.Context,
    recipes: RecipeNames = None,
    tools: ToolsChoice = ToolsFrom.auto,
    allow: AllowSnapshot = None,
) -> int:
    """Rebuild images from their locks, compare them with the recorded pins, and run their smoke checks.

    On a difference, each line says whether it is one of content or only of compression, and names the first
    files that differ. An image that isn't the recorded one doesn't get into the archive. Smoke checks run
    as tasks do: without network, in a read-only image, with an empty folder at /src.

    A recipe that is a Dockerfile is built anew, without the engine's cache; that it differs is no surprise.

    With --json: {"state", "recipes": [{"recipe", "state", "kind", "recorded", "rebuilt", "layers",
    "fields", "notes", "smoke", "error"}]}; with --quiet only what isn't ok.

    Exit status: 0 when all are identical and pass, 122 when one differs, has no recorded pin or fails a
    smoke check; otherwise that of what kept one from being checked.

    Examples:

      buildbox images check python/3.11

      buildbox images check           all recipes, one after the other
    """
    from buildbox.recipes.catalogue import find_recipe, recipe_names
    from buildbox.recipes.lock import LOCK

    call: Call = ctx.obj
    catalogues = call.catalogues()
    folders = [find_recipe(name, catalogues) for name in dict.fromkeys(recipes or recipe_names(catalogues))]
    if not recipes:
        folders = [folder for folder in folders if (folder / LOCK).is_file()]
    width = max((len(_name(folder)) for folder in folders), default=0)
    found: list[Checked] = []
    for folder in folders:
        checked = _check(call, folder, tools, allow)
        found.append(checked)
        if not call.console.json and not (call.console.quiet and checked.ok):
            _show(call, checked, width)
    if call.console.json:
        state = "ok" if all(checked.ok for checked in found) else "fail"
        call.console.document({"state": state, "recipes": [_values(checked) for checked in found]})
    if any(checked.different for checked in found):
        return Exit.DIFFERENT
    return next((checked.error.exit for checked in found if checked.error), Exit.OK)


def _check(call: Call, folder: Path, tools: ToolsFrom, allow: list[str] | None) -> Checked:
    from buildbox.recipes.catalogue import kind
    from buildbox.recipes.dockerfile import DOCKERFILE
    from buildbox.toolchains.check import Checked, check

    try:
        if kind(folder) == DOCKERFILE:
            return _check_dockerfile(call, folder)
        with workshop(call, _name(folder), tools, allow) as shop:
            return check(folder, shop, call.registry, lambda root, steps: call.session(root, steps, ()))
    except BuildboxError as error:
        if error.exit in (Exit.INTERRUPTED, Exit.TERMINATED):
            raise
        return Checked(_name(folder), error=error)


def _check_dockerfile(call: Call, folder: Path) -> Checked:
    from buildbox.cli.images.dockerfile import by_engine
    from buildbox.toolchains.check import check_dockerfile
    from buildbox.toolchains.dockerfile import rebuild_dockerfile

    with by_engine(call) as (shop, by):
        return check_dockerfile(
            folder, shop, call.registry, lambda where, at, into: rebuild_dockerfile(where, at, by, into)
        )


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _show(call: Call, checked: Checked, width: int) -> None:
    """One line, with what explains it below; logs and errors go to stderr."""
    from buildbox.toolchains.smoke import SmokeFailed

    state = call.console.state("ok" if checked.ok else "fail")
    details = [*(checked.comparison.lines() if checked.comparison else ()), *checked.notes]
    call.console.lines(
        [
            f"{state}  {checked.recipe.ljust(width)}  {checked.verdict}",
            *(f"{'':{width + 8}}{line}" for line in details),
        ]
    )
    for smoke in checked.smoke or ():
        if not smoke.passed:
            reason = f"{checked.recipe}: {smoke.verdict}; the end of its log:"
            call.console.error(SmokeFailed(reason, "\n".join(smoke.log)))
    if checked.error:
        call.console.error(checked.error)


def _values(checked: Checked) -> dict[str, Any]:
    comparison, error = checked.comparison, checked.error
    return {
        "recipe": checked.recipe,
        "state": "ok" if checked.ok else "fail",
        "kind": checked.kind,
        "recorded": str(checked.recorded) if checked.recorded else None,
        "rebuilt": str(checked.rebuilt) if checked.rebuilt else None,
        "layers": [
            {
                "layer": layer.number,
                "count": layer.difference.count,
                "note": layer.difference.note,
                "files": [{"path": file.path, "how": list(file.how)} for file in layer.difference.files],
            }
            for layer in (comparison.layers if comparison else ())
        ],
        "fields": list(comparison.fields if comparison else ()),
        "notes": list(checked.notes),
        "smoke": None
        if checked.smoke is None
        else [
            {
                "name": smoke.name,
                "status": smoke.status,
                "seconds": round(smoke.seconds, 3),
                "timed_out": smoke.timed_out,
                "log": list(smoke.log),
            }
            for smoke in checked.smoke
        ],
        "error": {"reason": error.reason, "hint": error.hint} if error else None,
    }
