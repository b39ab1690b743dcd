"""`buildbox archive restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def restore(
    ctx: typer.Context,
    toolchains: Annotated[list[str] | None, typer.Argument(metavar="[TOOLCHAIN]...")] = None,
) -> None:
    """Put the images that the project pins into the engine, out of the archive, and print their ids.

    What the archive lacks is fetched, unless --offline. `buildbox run` does the same when it needs an image;
    this does so ahead of time.
    With --json: {"images": [{"toolchain", "pin", "platform", "id", "before"}]}; "before" tells whether the
    engine had it already.

    Examples:

      buildbox archive restore

      buildbox --offline archive restore python
    """
    from buildbox.images import require_pin
    from buildbox.pins import choose
    from buildbox.saving import Sources
    from buildbox.saving import restore as restore_image

    call: Call = ctx.obj
    project = call.project()
    chosen = choose(project.config, toolchains or ())
    for toolchain in chosen:
        require_pin(toolchain.image)
    call.note_use(project, (toolchain.image for toolchain in chosen))
    archive = call.archive()
    sources = Sources(call.offline, call.places, call.registry, call.recipe_for)
    engine = call.connect(call.address())
    try:
        done = []
        for toolchain in chosen:
            platform = toolchain.platform or engine.platform()
            restored = restore_image(archive, engine, toolchain, platform, sources, call.console)
            if restored.before:
                call.console.say(f"{toolchain.title}: the engine has it already")
            done.append(restored)
    finally:
        engine.close()
    if call.console.json:
        call.console.document(
            {
                "images": [
                    {**vars(each), "pin": str(each.pin), "platform": str(each.platform)} for each in done
                ]
            }
        )
        return
    width = max((len(each.toolchain) for each in done), default=0)
    call.console.lines(f"{each.toolchain.ljust(width)}  {each.id}" for each in done)
