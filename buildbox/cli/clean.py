"""`buildbox clean`."""

from __future__ import annotations

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(clean)


def clean(ctx: typer.Context) -> None:
    """Remove what killed runs left in the engine. Runs that are alive are not touched.

    Every run does this by itself before it starts; use clean when there is to be no next run.
    With --json: {"containers": N}.
    """
    from buildbox.run import sweep_dead

    call: Call = ctx.obj
    engine = call.connect(call.address())
    removed = sweep_dead(engine, call.host.data / "runs", call.host.now)
    if call.console.json:
        call.console.document({"containers": removed})
    else:
        call.console.say(f"removed {removed} container{'' if removed == 1 else 's'} of killed runs")
