"""`buildbox hook run`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call, Project
from buildbox.cli.hook.images import ANYWAY, refuse_missing
from buildbox.cli.options import Allow
from buildbox.errors import EngineError, Exit, ImageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildbox.hooking.snapshot import Snapshot
    from buildbox.session import Staged
    from buildbox.tasks.plan import Plan

_MOST_SHOWN = 20  # files in a message


def run(
    ctx: typer.Context,
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]... [-- ARG...]")] = None,
    worktree: Annotated[
        bool, typer.Option("--worktree", help="Run on the working tree as it is, not on what is staged.")
    ] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch images that aren't on this machine.")] = False,
    files: Annotated[
        bool,
        typer.Option("--files", help="What follows -- are names of files, relative to the current folder."),
    ] = False,
    allow: Allow = None,
) -> int:
    """Run the tasks that [hooks] pre-commit names, or those that are given, on exactly what is staged.

    They see a copy of what the commit will have, with what they need, and nothing else of the working tree:
    no unstaged lines, no untracked files. A task that changes staged files has failed (status 1), and nothing
    of what it did is taken. Where nothing is staged nothing runs.

    No registry is asked, unless --fetch: a missing image is status 121. stdin is empty.

    With --files a single task gets the names that follow `--`, as it sees them in its workdir: files outside
    of the project are left out, and one whose name begins with a dash is no option. Where none is left
    nothing runs.

    Examples:

      buildbox hook run

      buildbox hook run lint -- --strict     arguments for a single task

      buildbox hook run --worktree lint      as pre-commit wants it, which has put unstaged changes aside

      buildbox hook run --files lint -- a.py src/b.py
    """
    call = _in_a_hook(ctx.obj, fetch=fetch)
    if files and call.args is None:
        raise UsageError(
            "--files, but no `--` and names of files after it",
            "Write: buildbox hook run --files TASK -- FILE. In .pre-commit-config.yaml: args: [TASK, --]",
        )
    try:
        if worktree:
            project = call.project()
            return _run(call, project, _plan(call, project, tasks, files=files), allow or ())
        return _run_staged(call, tasks, allow or (), files=files)
    except (EngineError, ImageError) as error:
        if ANYWAY not in error.hint:
            error.hint = f"{error.hint}\n{ANYWAY}"
        raise


def _in_a_hook(call: Call, *, fetch: bool) -> Call:
    """The call, but that stdin is nobody's, nothing is drawn, and registries are asked only to `fetch`."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    console, host = replace(call.console, live=False), replace(call.host, stdin_tty=False)
    return replace(call, host=host, console=console, offline=call.offline or not fetch)


def _run_staged(call: Call, tasks: Sequence[str] | None, allow: Sequence[str], *, files: bool) -> int:
    from buildbox.hooking.project import read_staged
    from buildbox.hooking.repository import find_repository
    from buildbox.hooking.snapshot import snapshot
    from buildbox.hooking.staged import find_project, has_changes
    from buildbox.session import Staged

    host = call.host
    folder = (host.cwd / (call.folder or ".")).resolve()
    repository = find_repository(host.cwd, folder, host.env)
    inside = find_project(repository, folder)
    if not has_changes(repository, inside):
        call.console.say("nothing is staged, so there is nothing to check")
        return 0
    with snapshot(repository, inside, host.data) as made:
        project = Project(repository.top / inside, read_staged(made, repository, inside))
        staged = Staged(made.top / inside, made.binds(inside, host.data))
        status = _run(call, project, _plan(call, project, tasks, files=files), allow, staged)
        return status or _tell_changes(call, made)


def _plan(call: Call, project: Project, tasks: Sequence[str] | None, *, files: bool) -> Plan | None:
    """What is to run; None where that is nothing, which is said. With `files`, args are names of files."""
    from buildbox.hooking.names import names_for_task
    from buildbox.tasks.plan import plan_tasks

    wanted = _tasks(project, tasks)
    if not wanted:
        call.console.say("[hooks] pre-commit names no task, so nothing runs")
        return None
    plan = plan_tasks(project.config, wanted, () if files else call.args or ())
    if not files:
        return plan
    workdir = plan.steps[plan.targets[0]].task.workdir
    names = names_for_task(call.args or (), call.host.cwd, project.root, workdir)
    if not names:
        call.console.say("none of the files is in the project, so nothing runs")
        return None
    return plan_tasks(project.config, wanted, names)


def _tasks(project: Project, tasks: Sequence[str] | None) -> tuple[str, ...]:
    """What is to run. Raises UsageError where nobody says."""
    wanted = tuple(tasks or ()) or project.config.hooks.pre_commit
    if wanted is None:
        raise UsageError(
            f"{project.config.path.name} names no tasks for the commit hook",
            'Name them there ([hooks] pre-commit = ["lint"]) or here: buildbox hook run TASK',
        )
    return wanted


def _run(
    call: Call, project: Project, plan: Plan | None, allow: Sequence[str], staged: Staged | None = None
) -> int:
    from buildbox.cli.graph_run import Wishes, cpus, run_in, session_for
    from buildbox.hooking.project import missing_images

    if plan is None:
        return 0
    with session_for(call, project, plan, allow, staged) as session:
        if call.offline:
            refuse_missing(call, missing_images(session, plan.steps.values()))
        status = run_in(call, project, session, plan, Wishes(cpus()))
    if status in (Exit.ENGINE, Exit.IMAGE):
        call.console.say(ANYWAY)
    return status


def _tell_changes(call: Call, made: Snapshot) -> int:
    """The status of a run that has passed: a task must not have changed what is to be committed."""
    from buildbox.trees.faults import shown

    changed = made.changed()
    if not changed:
        return 0
    names = [shown(path) for path in changed[:_MOST_SHOWN]]
    more = [f"and {len(changed) - len(names)} more"] if len(changed) > len(names) else []
    call.console.warn(
        f"{len(changed)} staged file{'s were' if len(changed) > 1 else ' was'} changed by a task,"
        " and nothing of that is taken:",
        [
            *names,
            *more,
            "Run that task yourself (buildbox run TASK), `git add` what it changes, and commit again.",
        ],
    )
    return 1
