"""`buildbox run --watch`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from buildbox.cli.call import Call, Project
from buildbox.cli.graph_run import Wishes, run_in, session_for
from buildbox.config.model import FILE_NAME
from buildbox.errors import BuildboxError
from buildbox.tasks.plan import Plan, made_here
from buildbox.tasks.watching import affected, replan
from buildbox.trees.faults import shown

_SETTLED = 200  # milliseconds without a change, after which a burst of them is over


def keep_running(call: Call, project: Project, plan: Plan, allow: Sequence[str], wishes: Wishes) -> int:
    """Runs the plan, and again what a change affects, until a signal ends it; failures are told, no more.

    Raises what the first run raises.
    """
    from watchfiles import watch

    console = call.console
    made = made_here(project.config)
    with session_for(call, project, plan, allow) as session:
        status = run_in(call, project, session, plan, wishes)
        console.say(f"watching {project.root} for changes (Ctrl-C ends it)")
        for changes in watch(project.root, step=_SETTLED, raise_interrupt=True, watch_filter=None):
            paths = sorted({os.path.relpath(path, project.root) for _, path in changes})
            if FILE_NAME in paths:
                console.say(f"{FILE_NAME} has changed; start again to have it read")
                return status
            names = affected(plan, paths, made)
            if not names:
                continue
            console.say(f"{_shown(paths)} changed: {', '.join(names)}")
            try:
                status = run_in(call, project, session, replan(plan, names), replace(wishes, force=False))
            except BuildboxError as error:
                console.error(error)
                status = error.exit
        return status


def _shown(paths: Sequence[str]) -> str:
    first = shown(paths[0])
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"
