"""`buildbox graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.tasks.drawing.graph import Graph
    from buildbox.tasks.plan import Plan

_FORMATS = ("text", "mermaid", "dot", "svg")


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(graph)


def graph(
    ctx: typer.Context,
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]...")] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="text (default), mermaid, dot or svg."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write it there; its ending says the format, too."
        ),
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="Draw each variant of a task by itself.")
    ] = False,
) -> None:
    """Show the task graph: all of it, or TASKs and what they need.

    As text, what nothing needs stands at the left, and below each task what it needs. In the other formats
    arrows follow time, and hermetic tasks look different. An svg file needs nothing else.

    With --json: {"project", "targets": [NAME], "steps": [{"name", "task", "needs", "toolchain", "hermetic",
    "services", "outputs"}]}: each variant by itself, each behind what it needs.

    Examples:

      buildbox graph

      buildbox graph package --format mermaid

      buildbox graph -o tasks.svg
    """
    from buildbox.tasks.drawing.graph import graph_of
    from buildbox.tasks.plan import plan_tasks

    call: Call = ctx.obj
    wanted = _format(form, output)
    config = call.project().config
    plan = plan_tasks(config, tasks or list(config.tasks))
    if call.console.json:
        if form or output:
            raise UsageError("both --json and --format or --output", "Keep one of them.")
        call.console.document({"project": config.name, **_values(plan)})
        return
    lines = _draw(graph_of(plan, variants=variants), wanted, config.name)
    if output is None or str(output) == "-":
        call.console.lines(lines)
        return
    path = call.host.cwd / output
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}", "Name another file.") from None
    call.console.say(f"wrote {output}")


def _format(form: str | None, output: Path | None) -> str:
    """The format that is asked for, by name or by a file's ending."""
    endings = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}
    wanted = form or (endings.get(output.suffix.lower(), "text") if output else "text")
    if wanted not in _FORMATS:
        raise UsageError(
            f"--format {wanted}: there is no such format", f"Write one of {', '.join(_FORMATS)}."
        )
    return wanted


def _draw(graph: Graph, form: str, title: str) -> list[str]:
    from buildbox.tasks.drawing import languages, svg, text

    if form == "svg":
        return svg.svg(graph, title)
    if form == "text":
        return text.draw(graph)
    return languages.mermaid(graph) if form == "mermaid" else languages.dot(graph)


def _values(plan: Plan) -> dict[str, object]:
    steps = [
        {
            "name": step.name,
            "task": step.task.name,
            "needs": list(step.needs),
            "toolchain": step.toolchain.name,
            "hermetic": step.task.hermetic,
            "services": [service.name for service in step.services],
            "outputs": list(step.task.outputs),
        }
        for step in plan.steps.values()
    ]
    return {"targets": list(plan.targets), "steps": steps}
