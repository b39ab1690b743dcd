"""`buildbox images list`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from buildbox.cli.call import Call

if TYPE_CHECKING:
    from buildbox.toolchains.overview import Entry

_COLUMNS = ("RECIPE", "KIND", "SUITE", "SIZE", "AGE", "IMAGE", "PACKAGES", "FROM", "STATE")


def show(ctx: typer.Context) -> None:
    """List the recipes of the project and of the catalogue, and what of them is in the archive.

    SIZE is the image's, compressed; marked * it is that of its packages, where the image's isn't known.
    AGE is that of the release which the lock has, or of a Dockerfile's image. IMAGE and PACKAGES say what
    is in the archive; with all its packages there, an image can be built again without a network. IMAGE is
    "older" where what is there was made from another lock, or isn't what is recorded. The project's
    recipes come before the catalogue's of the same name.

    A recipe that can't be used is listed all the same: STATE says "no lock", "stale lock" or "broken",
    stderr says why, and the exit status is 0.

    With --json: {"recipes": [{"recipe", "kind": "debian" or "Dockerfile", "reproducible", "from": "project"
    or "catalogue", "state": "ok", "no lock", "stale lock" or "broken", "problem", "suite", "release",
    "dated", "pin", "size", "size-of": "image" or "packages", "image": "yes", "older" or "no",
    "packages"}]}; what isn't known is null.

    Examples:

      buildbox images list
    """
    from buildbox.archive.layout import Archive
    from buildbox.recipes.catalogue import own_catalogue
    from buildbox.toolchains.overview import overview

    call: Call = ctx.obj
    folder = call.archive_path
    archive = Archive.open(folder, create=False) if folder.exists() else None
    own = own_catalogue().resolve()
    entries = [
        (entry, "catalogue" if entry.catalogue.resolve() == own else "project")
        for entry in overview(call.catalogues(), archive)
    ]
    if call.console.json:
        call.console.document({"recipes": [_values(entry, origin) for entry, origin in entries]})
        return
    call.console.table(_COLUMNS, (_cells(entry, origin, call.host.now) for entry, origin in entries))
    for entry, _ in entries:
        if entry.problem:
            call.console.say(f"{entry.recipe}: {entry.problem}".replace("\n", "\n  "))
    if any(entry.of_packages for entry, _ in entries):
        call.console.say("* of the packages; the image was not built here yet")


def _cells(entry: Entry, origin: str, now: float) -> list[str]:
    from buildbox.recipes.dockerfile import DOCKERFILE
    from buildbox.units import show_age, show_size

    size = "-" if entry.size is None else show_size(entry.size) + ("*" if entry.of_packages else "")
    return [
        entry.recipe,
        f"{entry.kind} (not reproducible)" if entry.kind == DOCKERFILE else entry.kind,
        f"{entry.suite} {entry.release}".strip() or "-",
        size,
        "-" if entry.dated is None else show_age(now - entry.dated),
        entry.image,
        "-" if entry.kind == DOCKERFILE else "yes" if entry.packages else "no",
        origin,
        entry.state,
    ]


def _values(entry: Entry, origin: str) -> dict[str, Any]:
    from buildbox.recipes.dockerfile import DOCKERFILE

    dated = None if entry.dated is None else datetime.fromtimestamp(entry.dated, timezone.utc)
    return {
        "recipe": entry.recipe,
        "kind": entry.kind,
        "reproducible": entry.kind != DOCKERFILE,
        "from": origin,
        "state": entry.state,
        "problem": entry.problem or None,
        "suite": entry.suite or None,
        "release": entry.release or None,
        "dated": dated.strftime("%Y-%m-%dT%H:%M:%SZ") if dated else None,
        "pin": str(entry.pin) if entry.pin else None,
        "size": entry.size,
        "size-of": None if entry.size is None else "packages" if entry.of_packages else "image",
        "image": entry.image,
        "packages": None if entry.kind == DOCKERFILE else entry.packages,
    }
