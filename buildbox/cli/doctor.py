"""`buildbox doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.config.model import Config
    from buildbox.doctor.checks import Check


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(doctor)


def doctor(ctx: typer.Context) -> int:
    """Check everything that buildbox needs: engine, archive, disks, clock, a container, this project.

    Each line says ok, warn or fail, what was found, and what to do. With an image in the archive a
    container is started, and files are handed to it and back. With --json: {"state", "checks":
    [{"name", "state", "found", "advice"}]}; with --quiet only what isn't ok.

    Exit status: 0 when nothing fails, 120 when the engine does, 123 when the archive does, 2 when
    the project's configuration does.

    Examples:

      buildbox doctor

      buildbox doctor --json

      buildbox --engine unix:///run/podman/podman.sock doctor
    """
    import time

    from buildbox.doctor.checks import FAIL, NAMES, OK, exit_status, worst
    from buildbox.doctor.examine import Patient, examine

    call: Call = ctx.obj
    patient = Patient(
        call.host,
        call.archive_path,
        call.address,
        call.connect,
        lambda: _project(call),
        _folder(call),
        time.time,
        call.console,
    )
    found: list[Check] = []
    for check in examine(patient):
        found.append(check)
        if not call.console.json and not (call.console.quiet and check.state == OK):
            _show(call, check, max(map(len, NAMES)))
    if call.console.json:
        document = {"state": worst(found), "checks": [_values(check) for check in found]}
        call.console.document(document)
    elif worst(found) == OK:
        call.console.say("everything is in order")
    else:
        counts = [sum(check.state == state for check in found) for state in (FAIL, "warn")]
        call.console.say("failed: {}, to look at: {}".format(*counts))
    return exit_status(found)


def _show(call: Call, check: Check, width: int) -> None:
    """One line, and the advice below what was found."""
    state = call.console.state(check.state)
    call.console.lines(
        [
            f"{state}  {check.name.ljust(width)}  {check.found}",
            *(f"{'':{width + 8}}{line}" for line in check.advice.splitlines()),
        ]
    )


def _values(check: Check) -> dict[str, str]:
    return {"name": check.name, "state": check.state, "found": check.found, "advice": check.advice}


def _folder(call: Call) -> Path:
    """The project's, or where the caller is."""
    try:
        return call.project_root() or call.host.cwd
    except UsageError:
        return call.host.cwd


def _project(call: Call) -> Config | None:
    """The project's configuration; None where there is none and none was asked for."""
    from buildbox.config.load import load
    from buildbox.config.model import FILE_NAME
    from buildbox.project import find_root

    try:
        root = find_root(call.host.cwd, call.folder, call.home)
    except UsageError:
        if call.folder:
            raise
        return None
    return load(root / FILE_NAME)
