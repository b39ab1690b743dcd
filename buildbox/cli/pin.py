"""`buildbox pin`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(pin)


def pin(
    ctx: typer.Context,
    toolchains: Annotated[list[str] | None, typer.Argument(metavar="[TOOLCHAIN]...")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if an image is not pinned (for CI).")
    ] = False,
) -> None:
    """Ask the registry for the digests of unpinned tags, and write them into .buildbox.toml.

    The file keeps its comments and layout. An image that is pinned already stays as it is. Services are
    pinned, too; `buildbox pin db` means the toolchain and the service of that name.
    With --json: {"changes": [{"toolchain", "old", "new", "source"}]}, which --check leaves empty; "toolchain"
    of a service is services.NAME.

    Examples:

      buildbox pin

      buildbox pin python

      buildbox pin --check
    """
    from buildbox.config.edit import pin_images, write_file
    from buildbox.pins import check_pins, resolve_pins

    call: Call = ctx.obj
    config = call.project().config
    if check:
        check_pins(config)
        if call.console.json:
            call.console.document({"changes": []})
        else:
            call.console.say("every image is pinned")
        return
    changes = resolve_pins(config, toolchains or (), call.registry, call.archive())
    keys = {pinned.title: pinned.key for pinned in config.images()}
    new = {keys[change.toolchain]: change.new for change in changes if change.changed}
    if new:
        write_file(config.path, pin_images(config.path.read_bytes().decode(), new))
    if call.console.json:
        call.console.document({"changes": [vars(change) for change in changes]})
        return
    for change in changes:
        if change.changed:
            call.console.say(f"{change.toolchain}: {change.new} (from {change.source})")
    if not new:
        call.console.say("every image is pinned already")
