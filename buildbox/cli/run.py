"""`buildbox run`."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.options import Allow
from buildbox.console.events import EVENTS
from buildbox.errors import UsageError
from buildbox.tasks.plan import plan_tasks

if TYPE_CHECKING:
    from buildbox.hermetic.handing import Told
    from buildbox.tasks.plan import Plan


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(help=f"{cleandoc(run.__doc__ or '')}\n\n{EVENTS}")(run)


def run(
    ctx: typer.Context,
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]... [-- ARG...]")] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", min=1, help="Run at most N tasks at once; default: CPUs."),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="After a failure, run what doesn't need what failed.")
    ] = False,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="Run the named tasks only, not what they need.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Run all tasks, whatever has passed before.")
    ] = False,
    hermetic: Annotated[
        bool,
        typer.Option(
            "--hermetic", help="Run all of it, what is needed too, as if each said hermetic = true."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would run and why; start nothing.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Run again what a change affects, until Ctrl-C.")
    ] = False,
    provenance: Annotated[
        bool,
        typer.Option("--provenance", help="Write ARTIFACT.intoto.jsonl beside what the named tasks make."),
    ] = False,
    sign: Annotated[bool, typer.Option("--sign", help="The same, signed with your key.")] = False,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The private key that signs, not your own.")
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write what became of each task as JUnit XML."),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="FILE", help="The same as a page of Markdown.")
    ] = None,
    allow: Allow = None,
) -> int:
    """Run tasks in their pinned toolchains, after what they need; without names, the project's default ones.

    Tasks that need nothing of each other run side by side. A hermetic task that has passed before, with the
    same inputs, image and command, isn't run again: its outputs and its log come from the archive.

    In GitHub Actions, what became of the tasks is on the job's summary page, too, and what failed is an
    annotation of the run.

    Examples:

      buildbox run test

      buildbox run lint types test     side by side, as many as there are CPUs

      buildbox run test -- -k name     arguments for the task

      buildbox run 'test[DJANGO=5]'    the variants of a matrix that have this value

      buildbox run gen > file          stdout is the task's alone

      tar c . | buildbox run pack      and so is stdin

      buildbox run --dry-run -v dist   what would run, and what has changed since it ran last

      buildbox run --watch test        again after each change of its inputs

      buildbox run --sign dist         with a signed statement of how it was made

      buildbox run --junit report.xml  test results for a CI system, also where something fails

      buildbox --engine ssh://me@host run --hermetic test     on an engine elsewhere: inputs are sent there
    """
    if key and not sign:
        raise UsageError("--key without --sign: nothing is signed", "Give both, or leave --key out.")
    if watch and (provenance or sign):
        raise UsageError(
            "--watch and statements beside what is built",
            "Build once, for good, with --provenance or --sign.",
        )
    if (junit or summary) and (watch or dry_run):
        raise UsageError(
            f"{'--watch' if watch else '--dry-run'} with --junit or --summary: they are of one run",
            "Leave one of them out.",
        )
    call: Call = ctx.obj
    project = call.project()
    plan = plan_tasks(project.config, tasks or (), call.args or (), deps=not no_deps, hermetic=hermetic)
    if dry_run:
        if watch:
            raise UsageError("--dry-run and --watch: there is nothing to watch for", "Leave one of them out.")
        from buildbox.cli.dry_run import show_forecast

        return show_forecast(call, project, plan, allow or (), force=force)
    from buildbox.cli.graph_run import Wishes, cpus, run_told

    told = _told(call, plan, key, sign=sign) if provenance or sign else None
    wishes = Wishes(jobs or cpus(), keep_going, force, told)
    if watch:
        from buildbox.cli.watch import keep_running

        return keep_running(call, project, plan, allow or (), wishes)
    return run_told(call, project, plan, allow or (), wishes, junit, summary)


def _told(call: Call, plan: Plan, key: Path | None, *, sign: bool) -> Told:
    """What is needed to tell of what the plan makes: looked at before anything runs."""
    from buildbox.cli.keys import signing_key
    from buildbox.hermetic.handing import Told, steps_to_tell_of

    return Told(steps_to_tell_of(plan), signing_key(call, key) if sign else None)
