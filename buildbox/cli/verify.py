"""`buildbox verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import CantTell, Mismatch

if TYPE_CHECKING:
    from buildbox.archive.layout import Archive
    from buildbox.verifying.verify import Trust, Verified


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(verify)


def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What was built: a file, or a folder of it.")],
    statement: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The statement, instead of the one that is found.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A public key that is trusted, and no others; repeatable."),
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Take a statement that isn't signed, too: it may be anybody's.")
    ] = False,
) -> None:
    """Check an artifact against the signed statement of how it was built. Runs and rebuilds nothing.

    The statement is the one beside FILE (FILE.intoto.jsonl, or that of a folder it is in), else one that the
    archive has of the same bytes. It has to be signed by a key that you trust: --key, else `keys` in
    [provenance] of config.toml, else your own; and the bytes have to be those that it tells of. For a folder
    these are all of its files. FILE may also be a statement: it is checked together with what it lies beside,
    if that is there.

    That the statement is true is the word of whoever signed it. `buildbox reproduce` finds out.

    With --json: {"file", "state": "verified", "different" or "cant-tell", "why", "missing", "statement",
    "output", "signed": [{"id", "file"}], "project", "task", "built", "buildbox", "source": {"commit",
    "clean", "path"} or null, "image", "limits"}; all from "statement" on is there only with "verified",
    "missing" only with "cant-tell", "output" is the artifact's name in the project, null where only a
    statement was checked.

    Exit status: 0 verified; 122 something was changed, or isn't signed by a trusted key; 119 can't tell:
    there is no statement or no key, or the statement is of a newer kind; 2 FILE isn't there.

    Examples:

      buildbox verify dist/hello-1.0-py3-none-any.whl

      buildbox verify --key ci.pub hello.tar.gz
    """
    from buildbox.verifying.verify import verify_artifact

    call: Call = ctx.obj
    cwd = call.host.cwd
    try:
        given = cwd / statement if statement else None
        found = verify_artifact(cwd / file, given, _archive(call), _trust(call, key or [], unsigned))
    except (Mismatch, CantTell) as error:
        if call.console.json:
            call.console.document(_refusal(file, error))
        raise
    if call.console.json:
        call.console.document(_values(file, found))
    else:
        call.console.lines(_lines(file, found))


def _archive(call: Call) -> Archive | None:
    from buildbox.archive.layout import Archive

    return Archive.open(call.archive_path, create=False) if call.archive_path.exists() else None


def _trust(call: Call, given: list[Path], unsigned: bool) -> Trust:
    from buildbox.cli.keys import trusted_keys
    from buildbox.verifying.verify import Trust

    hint = (
        "Name the public key of whoever signed it: --key FILE, or in config.toml:\n"
        '[provenance]\nkeys = ["FILE"]'
    )
    return Trust(trusted_keys(call, given), unsigned, hint)


def _refusal(file: Path, error: Mismatch | CantTell) -> dict[str, Any]:
    if isinstance(error, CantTell):
        state = {"state": "cant-tell", "why": error.reason, "missing": list(error.missing)}
    else:
        state = {"state": "different", "why": error.reason}
    return {"file": str(file), **state}


def _values(file: Path, found: Verified) -> dict[str, Any]:
    statement = found.statement
    source = statement.source
    return {
        "file": str(file),
        "state": "verified",
        "statement": found.told,
        "output": found.output if found.artifact else None,
        "signed": [{"id": key.id, "file": key.told} for key in found.signed],
        "project": statement.project,
        "task": statement.step.name,
        "built": _time(statement.finished),
        "buildbox": statement.machine.buildbox,
        "source": source and {"commit": source.commit, "clean": source.clean, "path": source.path},
        "image": statement.image.reference,
        "limits": list(statement.limits),
    }


def _lines(file: Path, found: Verified) -> Iterator[str]:
    from buildbox.comparing.finding import printable

    statement = found.statement
    signed = ", ".join(f"{key.id[:12]} ({key.told})" for key in found.signed)
    yield f"{file}: verified" if found.artifact else f"{file}: verified; what it tells of wasn't looked at"
    rows = [
        ("statement", found.told),
        ("signed by", signed or "nobody: anybody may have written it"),
        ("output", f"{found.output} of {statement.project}" if found.artifact else ""),
        ("task", f"{statement.step.name} of {statement.project}"),
        ("built", f"{_time(statement.finished)} by buildbox {statement.machine.buildbox}"),
        ("commit", statement.source.commit if statement.source else ""),
        ("image", statement.image.reference),
        *(("but", limit) for limit in statement.limits),
    ]
    yield from (f"  {name:<10} {printable(value)}" for name, value in rows if value)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
