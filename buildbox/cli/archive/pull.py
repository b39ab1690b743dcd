"""`buildbox archive pull`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.archive.remote import remote_of
from buildbox.cli.archive.save import save_pins
from buildbox.cli.call import Call


def pull(
    ctx: typer.Context,
    toolchains: Annotated[list[str] | None, typer.Argument(metavar="[TOOLCHAIN]...")] = None,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="REGISTRY/PATH", help="Where from, instead of `remote` in config.toml."
        ),
    ] = "",
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH", help="Pull the images for this platform; the engine's own if none."),
    ] = None,
    all_platforms: Annotated[
        bool,
        typer.Option(
            "--all-platforms", help="Pull the images for all platforms that the remote archive has."
        ),
    ] = False,
) -> int:
    """Pull the project's pinned images from the remote archive, where `archive push` put them.

    The same as `archive save`, from that place alone: by digest, checked against the pin, and only what the
    archive lacks. The pin's own registry isn't asked. Results of tasks aren't pulled here: `buildbox run`
    asks for each one when it needs it.

    With --json: as `archive save`. Exit status: 121 where the remote archive lacks an image; the others are
    pulled all the same.

    Examples:

      buildbox archive pull --from registry.example.com/team/archive

      buildbox archive pull python
    """
    from buildbox.archive.places import remote_place

    call: Call = ctx.obj
    remote = remote_of(call, source, "--from")
    return save_pins(
        call, toolchains or (), platform or (), all_platforms, lambda ref: remote_place(ref, remote)
    )
