"""`buildbox images publish`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.images.given import RecipeName
from buildbox.errors import UsageError


def publish(
    ctx: typer.Context,
    recipe: RecipeName,
    to: Annotated[
        str,
        typer.Option(metavar="REGISTRY/PATH", help="Where to: NAME:VERSION is added to it."),
    ],
) -> None:
    """Push the image of a recipe to a registry, byte for byte as it was built, and print its pin.

    It gets a tag that never moves (3.11-0123456789ab, of the digest) and then the version's (3.11), which
    moves to it. Its smoke checks run first; where one fails, nothing is pushed. What the registry has already
    isn't sent again. Logins are those of `docker login`.
    With --json: {"pin", "tags", "pushed", "present"}, the latter two in bytes.

    Examples:

      buildbox images publish python/3.11 --to registry.example.com/toolchains
    """
    from buildbox.recipes.catalogue import find_recipe
    from buildbox.reference import ImageRef
    from buildbox.toolchains.publish import find_ready, target, try_out
    from buildbox.toolchains.publish import publish as publish_image

    call: Call = ctx.obj
    if call.offline:
        raise UsageError("publish can't do without a network", "Leave --offline out.")
    archive = call.archive()
    folder = find_recipe(recipe, call.catalogues())
    ref = target(to, ImageRef.parse(f"buildbox/{folder.parent.name}:{folder.name}"))
    ready = find_ready(folder, archive)
    here = replace(call, offline=True)  # what isn't in the archive isn't what is published
    temp = Path(call.host.env.get("TMPDIR") or "/tmp")
    try_out(ready, temp, call.host, lambda root, steps: here.session(root, steps, ()), call.console)
    registry = call.registry(ref.registry)
    try:
        done = publish_image(archive, registry, ready, ref, call.console)
    finally:
        registry.close()
    if call.console.json:
        sizes = {"pushed": done.pushed.sent, "present": done.pushed.present}
        call.console.document({"pin": str(done.pin), "tags": list(done.tags), **sizes})
        return
    call.console.lines([str(done.pin)])
