"""`buildbox run`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.options import Allow
from buildbox.cli.streams import task_streams
from buildbox.errors import Exit
from buildbox.execute import Outcome
from buildbox.tasks.plan import Step, plan_tasks
from buildbox.units import show_duration

_MEANINGS = {  # what shells and the engine's init mean by them
    126: ", a program that can't be executed",
    127: ", a program that the toolchain doesn't have",
}


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(run)


def run(
    ctx: typer.Context,
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]... [-- ARG...]")] = None,
    allow: Allow = None,
) -> int:
    """Run tasks in their pinned toolchains; without names, the project's default ones.

    Examples:

      buildbox run test

      buildbox run lint types test   one after the other, until one fails

      buildbox run test -- -k name   arguments for the task

      buildbox run gen > file        stdout is the task's alone

      tar c . | buildbox run pack    and so is stdin
    """
    from buildbox.run import run_step

    call: Call = ctx.obj
    project = call.project()
    steps = tuple(plan_tasks(project.config, tasks or (), call.args or ()).steps.values())
    alone = len(steps) == 1
    with call.session(project.root, steps, allow or ()) as session:
        call.note_use(project, (step.toolchain.image for step in steps))
        for step in steps:
            _announce(call, step, alone)
            streams = task_streams(call.host, call.console, step.name, alone=alone)
            outcome = run_step(session, step, streams, say=call.console.say)
            _report(call, step, outcome, alone)
            if outcome.status:
                return outcome.status
    return 0


def _announce(call: Call, step: Step, alone: bool) -> None:
    if call.console.json:
        call.console.event({"event": "start", "task": step.name, "image": str(step.toolchain.image)})
    elif not alone:
        call.console.say(f"{step.name} …")


def _report(call: Call, step: Step, outcome: Outcome, alone: bool) -> None:
    if call.console.json:
        call.console.event(
            {
                "event": "end",
                "task": step.name,
                "status": outcome.status,
                "seconds": round(outcome.seconds, 3),
                "timed_out": outcome.timed_out,
                "out_of_memory": bool(outcome.ended and outcome.ended.out_of_memory),
            }
        )
        return
    took = show_duration(outcome.seconds)
    if outcome.timed_out:
        call.console.say(f"{step.name} was stopped at its timeout of {show_duration(step.task.timeout or 0)}")
    elif outcome.ended and outcome.ended.out_of_memory:
        call.console.say(f"{step.name} was killed: it needed more than its memory limit ({took})")
    elif outcome.status == Exit.BROKEN_PIPE:
        return  # whoever read the output had enough
    elif outcome.status:
        meaning = _MEANINGS.get(outcome.status, "")
        call.console.say(f"{step.name} failed: exit status {outcome.status}{meaning} ({took})")
    elif not alone:
        call.console.say(f"{step.name} passed ({took})")
