"""`buildbox hook uninstall`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from buildbox.cli.call import Call
from buildbox.cli.hook.install import inside, values_of

if TYPE_CHECKING:
    from buildbox.hooking.install import Installed


def uninstall(ctx: typer.Context) -> None:
    """Take the hook away again: all is as it was before `hook install`, the hook that was there, too.

    With --json: {"hook", "before", "changed", "projects"}; "projects" are those that it is still there for.

    Example:

      buildbox hook uninstall
    """
    from buildbox.hooking.install import uninstall as uninstall_hook
    from buildbox.hooking.repository import find_repository

    call: Call = ctx.obj

    def taken_from(root: Path) -> Installed:
        repository = find_repository(call.host.cwd, root, call.host.env)
        return uninstall_hook(repository, inside(repository, root))

    root = (call.host.cwd / (call.folder or ".")).resolve()
    done = taken_from(root)  # the folder counts, though the project in it may be gone
    if not done.changed:
        root = call.project_root() or root
        done = taken_from(root)
    others = ", ".join(each or "." for each in done.projects)
    if call.console.json:
        call.console.document(values_of(done))
    elif not done.changed:
        also = f"; it is there for {others}" if others else ""
        call.console.say(f"there is no commit hook of buildbox's for {root}{also}")
    else:
        call.console.say(f"taken away: {done.path}" + (f"; it is still there for {others}" if others else ""))
