"""`buildbox capsule show`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.capsule.opening import Opened


def show(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A capsule.")],
) -> None:
    """List what a capsule holds, once all of it has been checked. Nothing of it is run, or kept.

    With --json: {"file", "size", "builds": [{"project", "task", "fingerprint", "commit", "image", "signed",
    "outputs": [{"path", "sha256", "size"}], "limits"}], "images", "files", "left-out"}; sizes in bytes.
    "signed" says that there is a signature: whose it is, `buildbox verify` tells.

    Exit status: 122 where it is damaged, isn't safe or has something that doesn't belong there; 119 where it
    is of a newer version; 2 where it is no capsule.

    Example:

      buildbox capsule show hello.tar
    """
    from buildbox.capsule.opening import is_capsule, open_capsule
    from buildbox.cli.reproducing import work_in

    call: Call = ctx.obj
    path = call.host.cwd / file
    if (path.exists() and not path.is_file()) or not is_capsule(path):  # to open a pipe may take for ever
        raise UsageError(f"{file} is no capsule", "`buildbox capsule create -o FILE` makes one.")
    with work_in(call, call.project_root() or call.host.cwd) as new_folder:
        opened = open_capsule(path, new_folder())
        if call.console.json:
            call.console.document(_values(file, opened))
        else:
            call.console.lines(_lines(file, opened))


def _values(file: Path, opened: Opened) -> dict[str, Any]:
    builds = []
    for build in opened.builds:
        statement = build.statement
        builds.append(
            {
                "project": statement.project,
                "task": statement.step.name,
                "fingerprint": str(statement.fingerprint),
                "commit": statement.source.commit if statement.source else None,
                "image": statement.image.reference,
                "signed": build.envelope is not None,
                "outputs": [
                    {"path": entry.path, "sha256": entry.digest, "size": entry.size}
                    for entry in statement.outputs
                ],
                "limits": list(statement.limits),
            }
        )
    return {
        "file": str(file),
        "size": opened.size,
        "builds": builds,
        "images": list(opened.images),
        "files": list(opened.titles),
        "left-out": list(opened.left_out),
    }


def _lines(file: Path, opened: Opened) -> Iterator[str]:
    from buildbox.trees.faults import shown
    from buildbox.units import show_size

    yield f"{file}: {show_size(opened.size)}, all of it as its digests say"
    for build in opened.builds:
        statement = build.statement
        signed = ", signed" if build.envelope else ""
        yield f"{shown(statement.step.name)} of {shown(statement.project)}{signed}"
        yield from (f"  {entry.digest}  {shown(entry.path)}" for entry in statement.outputs if entry.digest)
        if statement.source:
            yield f"  commit {statement.source.commit}"
        yield from (f"  {shown(limit)}" for limit in statement.limits)
    yield "images"
    yield from (f"  {shown(name)}" for name in opened.images)
    yield "files"
    yield from (f"  {shown(title)}" for title in opened.titles)
    if opened.left_out:
        yield "not in it"
        yield from (f"  {shown(line)}" for line in opened.left_out)
