"""`buildbox exec`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.options import Allow
from buildbox.cli.streams import task_streams
from buildbox.errors import UsageError
from buildbox.tasks.plan import plan_command


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(name="exec")(execute)


def execute(
    ctx: typer.Context,
    toolchain: Annotated[str | None, typer.Argument(metavar="[TOOLCHAIN] -- COMMAND [ARG...]")] = None,
    allow: Allow = None,
) -> int:
    """Run one command in a toolchain's container, in the folder that you are in.

    The toolchain may be left out where the project has exactly one.

    Examples:

      buildbox exec python -- python3 -c 'print(1)'

      buildbox exec python -- pytest -q tests/unit
    """
    call: Call = ctx.obj
    if not call.args:
        raise UsageError(
            "exec needs a command after --", "For example: buildbox exec python -- python3 --version"
        )
    return run_by_hand(call, toolchain, call.args, allow or [])


def run_by_hand(call: Call, toolchain: str | None, argv: tuple[str, ...], allow: list[str]) -> int:
    """Runs `argv` (none: the toolchain's shell) as a task of this folder."""
    from buildbox.run import run_step

    project = call.project()
    step = plan_command(project.config, toolchain, argv, _folder_below(project.root, call.host.cwd))
    with call.session(project.root, [step], allow) as session:
        call.note_use(project, [step.toolchain.image])
        streams = task_streams(call.host, call.console, step.name, alone=True, interactive=True)
        return run_step(session, step, streams, say=call.console.say).status


def _folder_below(root: Path, cwd: Path) -> str:
    """The caller's folder, as a `workdir`; the project's root for a caller who is elsewhere."""
    try:
        return str(cwd.resolve().relative_to(root))
    except ValueError:
        return "."
