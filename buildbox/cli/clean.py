"""`buildbox clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(clean)


def clean(
    ctx: typer.Context,
    caches: Annotated[
        bool, typer.Option("--caches", help="Also remove this project's caches; all of yours outside of one.")
    ] = False,
    all_caches: Annotated[
        bool, typer.Option("--all-caches", help="Also remove the caches of all of your projects.")
    ] = False,
) -> None:
    """Remove what killed runs left in the engine. Runs that are alive are not touched.

    Every run does this by itself before it starts; use clean when there is to be no next run. Caches are kept
    unless you ask: the next run that needs one begins with an empty one.

    With --json: {"containers": N, "caches": N}.
    """
    from buildbox.run import sweep_dead, sweep_orphans

    call: Call = ctx.obj
    root = None if all_caches or not caches else call.project_root()
    engine = call.connect(call.address())
    host = call.host
    removed = sweep_dead(engine, host.data / "runs", host.now, host.env.get("XDG_RUNTIME_DIR"))
    removed += sweep_orphans(engine)
    dropped = 0
    if caches or all_caches:
        from buildbox.caches import remove_caches

        dropped = remove_caches(engine, host.uid, root)
    if call.console.json:
        call.console.document({"containers": removed, "caches": dropped})
        return
    call.console.say(f"removed {removed} container{'' if removed == 1 else 's'} of killed runs")
    if caches or all_caches:
        whose = f"of {root}" if root else "of all projects"
        call.console.say(f"removed {dropped} cache{'' if dropped == 1 else 's'} {whose}")
