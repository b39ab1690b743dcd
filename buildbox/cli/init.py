"""`buildbox init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call
from buildbox.config.model import FILE_NAME
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.starter import Starter


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(init)


def init(
    ctx: typer.Context,
    show: Annotated[
        bool, typer.Option("--print", help="Print the file on stdout instead of writing it.")
    ] = False,
) -> None:
    """Look at the project, and write a starter .buildbox.toml into the current folder (or -C DIR).

    Knows Python, Node, Go, Rust, C and C++ (CMake, make) and Java. A file that is there stays as it is.
    With --json: {"path", "written", "text", "found": [{"toolchain", "image", "pinned", "by", "tasks",
    "notes"}]}.

    Examples:

      buildbox init

      buildbox init --print

      buildbox -C path/to/project init
    """
    from buildbox.starter import start
    from buildbox.starter.folder import look_at
    from buildbox.starter.write import create_file

    call: Call = ctx.obj
    folder = call.host.cwd / (call.folder or "")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    path = folder / FILE_NAME
    starter = start(look_at(folder), _pins())
    if not show and not create_file(path, starter.text):
        raise UsageError(
            f"{path} is there already, and init overwrites nothing",
            "To see what it would write: buildbox init --print",
        )
    if call.console.json:
        call.console.document(_document(starter, path, written=not show))
    elif show:
        call.console.lines(starter.text.splitlines())
    else:
        _tell(call, starter, path)


def _pins() -> dict[str, str]:
    """The pins that buildbox's own catalogue has recorded, by recipe."""
    from buildbox.recipes.catalogue import own_catalogue, recipe_names
    from buildbox.recipes.record import recorded_pin

    catalogue = own_catalogue()
    recorded = {name: recorded_pin(catalogue / name) for name in recipe_names([catalogue])}
    return {name: str(pin) for name, pin in recorded.items() if pin}


def _tell(call: Call, starter: Starter, path: Path) -> None:
    for part in starter.parts:
        call.console.say(f"found {part.found}: {part.toolchain} {part.version}")
        for note in part.notes:
            call.console.say(note)
    if not starter.parts:
        call.console.say("nothing that buildbox knows was found here; the file is an example to start from")
    call.console.say(f"wrote {path}")
    for line in starter.next_steps:
        call.console.say(line)


def _document(starter: Starter, path: Path, *, written: bool) -> dict[str, object]:
    found = [
        {
            "toolchain": part.toolchain,
            "image": starter.pins.get(part.recipe, part.image),
            "pinned": part.recipe in starter.pins,
            "by": part.found,
            "tasks": list(starter.tasks(part)),
            "notes": list(part.notes),
        }
        for part in starter.parts
    ]
    return {"path": str(path), "written": written, "text": starter.text, "found": found}
