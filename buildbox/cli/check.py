"""`buildbox check`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(check)


def check(
    ctx: typer.Context,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Fail if anything would be written (check writes nothing now).")
    ] = False,
) -> None:
    """Check the configuration, the pins, and what tasks ask of the host. Starts nothing, asks no network.

    With --json: {"project", "toolchains": {NAME: IMAGE}, "tasks": N}.
    """
    from buildbox.pins import check_pins
    from buildbox.trust import check_task

    call: Call = ctx.obj
    project = call.project()
    config = project.config
    bounds = call.bounds(project.root)
    for task in config.tasks.values():
        check_task(task, bounds)
    check_pins(config)
    if call.console.json:
        images = {name: str(toolchain.image) for name, toolchain in config.toolchains.items()}
        call.console.document({"project": config.name, "toolchains": images, "tasks": len(config.tasks)})
    else:
        call.console.say(
            f"{config.path.name} is in order: {_count(len(config.tasks), 'task')}, "
            f"{_count(len(config.toolchains), 'pinned toolchain')}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
