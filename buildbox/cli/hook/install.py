"""`buildbox hook install`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from buildbox.cli.call import Call, Project
from buildbox.cli.hook.images import said_of, ways_to
from buildbox.errors import BuildboxError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildbox.config.model import Pinned
    from buildbox.hooking.install import Installed
    from buildbox.hooking.repository import Repository


def install(ctx: typer.Context) -> None:
    """Have git run the tasks of [hooks] pre-commit before each commit, on exactly what is staged.

    The hook goes where git looks for hooks (core.hooksPath); all worktrees share it. One that is there is
    kept, and called first. Several projects of a repository can be installed, each from its own folder.
    A commit never fetches or builds an image: what is missing is said now, with the command that gets it.
    With --json: {"hook", "before", "changed", "projects", "tasks", "missing": [{"toolchain", "image"}]};
    "before" is the hook that was there, or null; "missing" is null where it can't be told.

    Example:

      buildbox hook install
    """
    from buildbox.hooking.install import install as install_hook
    from buildbox.hooking.repository import find_repository

    call: Call = ctx.obj
    project = call.project()
    tasks = project.config.hooks.pre_commit
    if not tasks:
        raise UsageError(
            f"{project.config.path.name} names no tasks for the commit hook",
            f"Name them there, e.g.:\n\n    [hooks]\n    pre-commit = [{_example(project)}]",
        )
    repository = find_repository(call.host.cwd, project.root, call.host.env)
    done = install_hook(repository, inside(repository, project.root), _this_program(call))
    missing = _missing(call, project, tasks)
    if call.console.json:
        images = [{"toolchain": each.title, "image": str(each.image)} for each in missing or ()]
        told = None if missing is None else images
        call.console.document({**values_of(done), "tasks": tasks, "missing": told})
        return
    call.console.say(
        f"{'installed' if done.changed else 'already there'}: {done.path} runs {', '.join(tasks)}"
    )
    if done.before:
        call.console.say(f"the hook that was there is kept, and called first: {done.before}")
    if missing:
        call.console.warn(said_of(missing), [f"Get it with: {' && '.join(ways_to(call, missing))}"])
    elif missing is not None:
        call.console.say("all images that it needs are on this machine")


def values_of(done: Installed) -> dict[str, object]:
    """A hook as JSON has it."""
    return {
        "hook": str(done.path),
        "before": done.before and str(done.before),
        "changed": done.changed,
        "projects": [each or "." for each in done.projects],
    }


def inside(repository: Repository, root: Path) -> str:
    """Where the folder `root` is in the repository; "" for its top."""
    place = root.relative_to(repository.top).as_posix()
    return "" if place == "." else place


def _example(project: Project) -> str:
    names = [
        name for name in ("lint", "check", "test", *project.config.tasks) if name in project.config.tasks
    ]
    return f'"{names[0]}"' if names else '"lint"'


def _this_program(call: Call) -> tuple[str, ...]:
    """How this very buildbox is called from anywhere."""
    for path in (call.host.cwd / sys.argv[0], Path(sys.executable).with_name("buildbox")):
        if path.name == "buildbox" and path.is_file() and os.access(path, os.X_OK):
            return (str(path),)
    return (sys.executable, "-I", "-m", "buildbox")  # without -I the folder's own `buildbox` would run


def _missing(call: Call, project: Project, tasks: Sequence[str]) -> Sequence[Pinned] | None:
    """The images that aren't on this machine; None, and why is said, where that can't be told."""
    from buildbox.hooking.project import missing_images
    from buildbox.tasks.plan import plan_tasks

    steps = tuple(plan_tasks(project.config, tasks).steps.values())
    try:
        with call.session(project.root, steps, (), start=False) as session:
            return missing_images(session, steps)
    except BuildboxError as error:
        call.console.warn(f"as things are, it would fail: {error.reason}", error.hint.splitlines())
        return None
