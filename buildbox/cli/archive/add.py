"""`buildbox archive add`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def add(
    ctx: typer.Context,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="What the engine calls it: NAME:TAG or an id.")
    ],
    called: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME:TAG", help="What it is called from now on; default: IMAGE."),
    ] = None,
) -> None:
    """Keep an image that exists only in the engine, and print its pin.

    The pin is for .buildbox.toml: with it a project runs in the image, also when the engine has lost it. The
    same image gives the same pin on every machine. No registry has it until `buildbox archive push` brings
    it to one.

    With --json: {"pin", "manifest", "config", "diff-ids", "size"}.

    Examples:

      buildbox archive add mytools:1

      buildbox archive add 4f1c2d3e5a6b --as mytools:1
    """
    from buildbox.cli.images.dockerfile import by_engine
    from buildbox.toolchains.taken import add as add_image

    call: Call = ctx.obj
    with by_engine(call) as (shop, by):
        built = add_image(image, called, by.engine, shop)
    if call.console.json:
        call.console.document(
            {
                "pin": str(built.pin),
                "manifest": str(built.manifest),
                "config": str(built.config),
                "diff-ids": [str(each) for each in built.diff_ids],
                "size": built.size,
            }
        )
        return
    call.console.lines([str(built.pin)])
