"""`buildbox log`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildbox.digest import Digest
    from buildbox.verifying.recalling import Build

_COLUMNS = ("STATEMENT", "WHEN", "TASK", "OUTPUTS", "COMMIT", "FINGERPRINT", "SIGNED", "STAYS")


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(log)


def log(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[ID|FILE]", help="Tell of this build: its statement, or what it made."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List the builds of all projects.")] = False,
    number: Annotated[int, typer.Option("--number", "-n", metavar="N", min=1, help="List at most N.")] = 20,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep", help="Have `archive gc` leave what it takes to reproduce it, or not."
        ),
    ] = None,
) -> None:
    """List what hermetic tasks of this project have built, newest first; or tell all of one build.

    Each time a hermetic task runs and leaves files, the archive keeps a statement of what made them. STAYS
    says whether `archive gc` leaves it, its result, what that needs and the images: so it is after `run
    --provenance` or `--sign`, and with --keep. COMMIT ends with a `*` where the working tree had changes.

    Nothing is verified here: see `buildbox verify`.

    With --json: {"archive", "builds": [{"statement", "fingerprint", "result", "project", "task", "started",
    "finished", "commit", "clean", "outputs": [{"path", "sha256", "size"}], "limits", "signed", "stays"}]}; of
    one build this object alone, and the statement itself as "document"; {"statement", "stays"} with --keep.

    Examples:

      buildbox log

      buildbox log dist/hello-1.0-py3-none-any.whl    what made this file, from what

      buildbox log --keep 3f2a9c1b77d0
    """
    from buildbox.verifying.recalling import find_mark, past_builds, recall, recall_file

    call: Call = ctx.obj
    archive = call.archive()
    if what is None:
        if keep is not None:
            raise UsageError("--keep and --no-keep: which build?", "Name it: buildbox log lists them.")
        project = None if everything else call.project().config.name
        builds = (build for build in past_builds(archive) if project in (None, build.statement.project))
        _list(call, list(islice(builds, number + 1)), number, everything=everything)
        return
    path = call.host.cwd / what
    if keep is False and not path.exists():  # also one that can't be read, which is in gc's way
        _keep(call, find_mark(archive, what).manifest, keep=False)
        return
    build = recall_file(archive, path) if path.exists() else recall(archive, what)
    if keep is not None:
        if build.kept is None:
            raise UsageError(
                "the archive doesn't have this statement", "buildbox log lists those that it has."
            )
        _keep(call, build.kept.manifest, keep=keep)
    elif call.console.json:
        call.console.document({**_values(build), "document": json.loads(build.data)})
    else:
        _tell(call, build)


def _list(call: Call, builds: Sequence[Build], number: int, *, everything: bool) -> None:
    if call.console.json:
        values = [_values(build) for build in builds[:number]]
        call.console.document({"archive": str(call.archive_path), "builds": values})
        return
    if not builds:
        call.console.say("nothing is known of any build yet: hermetic tasks with outputs leave statements")
        return
    columns = [*_COLUMNS[:2], "PROJECT", *_COLUMNS[2:]] if everything else _COLUMNS
    call.console.table(columns, [_row(build, everything=everything) for build in builds[:number]])
    if len(builds) > number:
        call.console.say(f"there are more: buildbox log -n {10 * number}")


def _row(build: Build, *, everything: bool) -> list[str]:
    from buildbox.comparing.finding import printable
    from buildbox.provenance.shown import outputs_in_short

    statement, kept = build.statement, build.kept
    source = statement.source
    return [
        kept.manifest.short if kept else "-",
        datetime.fromtimestamp(statement.finished).strftime("%Y-%m-%d %H:%M"),
        *([printable(statement.project)] if everything else []),
        printable(statement.step.name),
        outputs_in_short(statement),
        f"{source.commit[:10]}{'' if source.clean else '*'}" if source else "-",
        statement.fingerprint.short,
        "yes" if build.signed else "-",
        "yes" if kept and kept.kept else "-",
    ]


def _tell(call: Call, build: Build) -> None:
    from buildbox.provenance.shown import describe

    kept, statement = build.kept, build.statement
    about = [kept.manifest.short if kept else "not in the archive", *(["signed"] if build.signed else [])]
    about += ["stays"] if kept and kept.kept else []
    ended = datetime.fromtimestamp(statement.finished).astimezone().isoformat(" ", "seconds")
    pairs = [("statement", ", ".join(about)), ("built", ended), *describe(statement)]
    width = max(len(name) for name, _ in pairs)
    call.console.lines(f"{name.ljust(width)}  {text}" for name, text in pairs)


def _keep(call: Call, manifest: Digest, *, keep: bool) -> None:
    from buildbox.archive.statements import set_kept

    set_kept(call.archive(), manifest, keep)
    if call.console.json:
        call.console.document({"statement": str(manifest), "stays": keep})
    what = "stays, with what it takes to reproduce it" if keep else "may go by age, as others do"
    call.console.say(f"{manifest.short} {what}")


def _values(build: Build) -> dict[str, Any]:
    statement, kept = build.statement, build.kept
    return {
        "statement": str(kept.manifest) if kept else None,
        "fingerprint": str(statement.fingerprint),
        "result": str(kept.result) if kept and kept.result else None,
        "project": statement.project,
        "task": statement.step.name,
        "started": _time(statement.started),
        "finished": _time(statement.finished),
        "commit": statement.source.commit if statement.source else None,
        "clean": statement.source.clean if statement.source else None,
        "outputs": [
            {"path": entry.path, "sha256": entry.digest or None, "size": entry.size}
            for entry in statement.outputs
        ],
        "limits": list(statement.limits),
        "signed": build.signed,
        "stays": bool(kept and kept.kept),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
