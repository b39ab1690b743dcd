"""`buildbox list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from buildbox.cli.call import Call

if TYPE_CHECKING:
    from buildbox.config.model import Config, Task

_ALWAYS = ("TASK", "TOOLCHAIN", "DESCRIPTION")


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(name="list")(show)


def show(ctx: typer.Context) -> None:
    """List the project's tasks.

    With --json: {"project", "default", "tasks": [{"name", "description", "toolchain", "image", "pinned",
    "needs", "hermetic", "services", "variants": [{"name", "toolchain", "env"}]}]}; a task without a matrix
    has one variant, of its own name.
    """
    from buildbox.config.variants import count

    call: Call = ctx.obj
    config = call.project().config
    if call.console.json:
        tasks = [_values(config, task) for task in config.tasks.values()]
        call.console.document({"project": config.name, "default": list(config.default), "tasks": tasks})
        return
    if not config.tasks:
        call.console.say(f"{config.path.name} has no tasks yet")
        return
    rows = [
        (
            f"{task.name}*" if task.name in config.default else task.name,
            _toolchains(task),
            f"{count(task.matrix)}" if task.matrix else "",
            "yes" if task.hermetic else "",
            task.description,
            ", ".join(task.needs),
        )
        for task in config.tasks.values()
    ]
    columns = ("TASK", "TOOLCHAIN", "VARIANTS", "HERMETIC", "DESCRIPTION", "NEEDS")
    # A column that says nothing of any task is left out.
    used = [at for at in range(len(columns)) if columns[at] in _ALWAYS or any(row[at] for row in rows)]
    call.console.table([columns[at] for at in used], [[row[at] for at in used] for row in rows])
    for address in config.default:
        if address not in config.tasks:
            call.console.say(f"by default: {address}")
    if any(name in config.tasks for name in config.default):
        call.console.say("* runs by default")


def _toolchains(task: Task) -> str:
    """The toolchain that a task runs in, or all that its matrix has."""
    return ", ".join((task.matrix and task.matrix.toolchain) or [task.toolchain])


def _values(config: Config, task: Task) -> dict[str, Any]:
    from buildbox.config.variants import expand

    image = config.toolchains[task.toolchain].image
    return {
        "name": task.name,
        "description": task.description,
        "toolchain": task.toolchain,
        "image": str(image),
        "pinned": image.digest is not None,
        "needs": list(task.needs),
        "hermetic": task.hermetic,
        "services": list(task.services),
        "variants": [
            {"name": each.name, "toolchain": each.toolchain or task.toolchain, "env": dict(each.env)}
            for each in expand(task.name, task.matrix)
        ],
    }
