"""`buildbox list`."""

from __future__ import annotations

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(name="list")(show)


def show(ctx: typer.Context) -> None:
    """List the project's tasks.

    With --json: {"project", "default", "tasks": [{"name", "description", "toolchain", "image", "pinned"}]}.
    """
    call: Call = ctx.obj
    config = call.project().config
    if call.console.json:
        tasks = [
            {
                "name": task.name,
                "description": task.description,
                "toolchain": task.toolchain,
                "image": str(config.toolchains[task.toolchain].image),
                "pinned": config.toolchains[task.toolchain].image.digest is not None,
            }
            for task in config.tasks.values()
        ]
        call.console.document({"project": config.name, "default": list(config.default), "tasks": tasks})
        return
    if not config.tasks:
        call.console.say(f"{config.path.name} has no tasks yet")
        return
    call.console.table(
        ("TASK", "TOOLCHAIN", "DESCRIPTION"),
        (
            (f"{task.name}*" if task.name in config.default else task.name, task.toolchain, task.description)
            for task in config.tasks.values()
        ),
    )
    if config.default:
        call.console.say("* runs by default")
