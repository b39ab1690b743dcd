"""`buildbox reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.cli.options import Allow
from buildbox.errors import BuildboxError, CantTell, Mismatch
from buildbox.trees.faults import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildbox.logs import Logs
    from buildbox.rebuilding.reproduce import Reproduced
    from buildbox.rebuilding.verdict import State, Verdict
    from buildbox.vary.explain import Varied

_LAST = 20  # lines of a failed build's log
_MOST = 50  # outputs that are named; --json has them all


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(reproduce)


def reproduce(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An artifact, its statement, or a capsule.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Put what is built there: a new or empty folder."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=VALUE]", help="The value of a variable that `pass-env` let through."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Let the build have this secret of yours, as it had then."),
    ] = None,
    vary: Annotated[
        bool,
        typer.Option("--vary", help="Build in other surroundings, too, and name what changes the result."),
    ] = False,
    allow: Allow = None,
) -> int:
    """Build something again from its statement, and compare the bytes of all outputs.

    The source comes from the repository that you are in, at the commit that the statement names; the image
    from the engine, the archive or a registry; what other tasks made for it from the archive. There is no
    network, there are no caches, and nothing comes from earlier results. What is built comes to
    .buildbox/reproduced, never over the originals.

    --vary builds again with another user, home, host name, folder, time zone, locale, umask, number of CPUs,
    order of files and time; where that makes a difference, it says which of them does, and what helps.

    With --json: {"state", "file", "statement", "builds": [{"step", "state", "reason", "missing", "seconds",
    "source", "folder", "outputs": [{"path", "state", "stated", "built", "why"}], "reports", "varied":
    {"causes": [{"names", "title", "how", "files", "failure", "remedies"}], "varied", "unvaried", "builds"}}],
    "error": {"reason", "hint"}}.

    Exit status: 0 identical; 122 different, or --vary makes a difference; 119 can't tell, for something is
    missing: all of it is listed.

    Examples:

      buildbox reproduce dist/hello-1.0-py3-none-any.whl

      buildbox reproduce hello.whl.intoto.jsonl

      buildbox reproduce hello.tar             a capsule: it needs nothing else but an engine

      buildbox reproduce -o /tmp/again dist/hello.jar

      buildbox reproduce --vary dist/hello.jar
    """
    from buildbox.cli.reproducing import Wanted, diffoscope_reports, reproduce_all
    from buildbox.rebuilding.build import Interrupted
    from buildbox.rebuilding.verdict import State, overall

    call: Call = ctx.obj
    wanted = Wanted(call.host.cwd / file, output, env or (), secret or (), allow or (), vary)
    try:
        with reproduce_all(call, wanted) as (told, found, logs):
            state = overall(each.state for each in found)
            reports = [diffoscope_reports(call, each, logs) for each in found]
            if call.console.json:
                _document(call, file, state, told, [*map(_values, found, reports)])
            for each, written in zip(found, reports, strict=True):
                _show(call, each, logs, wanted.file)
                for report in written:
                    call.console.say(f"diffoscope's report is {report}")
        return state.exit
    except (CantTell, Mismatch) as error:
        if call.console.json:
            state = State.CANT_TELL if isinstance(error, CantTell) else State.DIFFERENT
            _document(call, file, state, "", [], error)
        raise
    except Interrupted as stopped:
        return stopped.status


def _document(
    call: Call,
    file: Path,
    state: State,
    told: str,
    builds: Sequence[dict[str, Any]],
    error: BuildboxError | None = None,
) -> None:
    fault = {"reason": error.reason, "hint": error.hint} if error else None
    value = {"state": state.value, "file": str(file), "statement": told, "builds": builds, "error": fault}
    call.console.document(value)


def _values(each: Reproduced, reports: Sequence[Path]) -> dict[str, Any]:
    return {
        **each.verdict.to_json(),
        "source": each.source,
        "folder": str(each.folder) if each.folder else None,
        "reports": [str(report) for report in reports],
        "varied": each.varied.to_json() if each.varied else None,
    }


def _show(call: Call, each: Reproduced, logs: Logs, file: Path) -> None:
    """The verdict on stdout; what is missing, and the end of a failed build's log, on stderr."""
    from buildbox.rebuilding.verdict import State

    verdict, console = each.verdict, call.console
    if not console.json:
        console.lines([f"{verdict.step}: {verdict.line}", *(f"  {line}" for line in _details(verdict, file))])
        if each.varied:
            console.lines(_varied(verdict.step, each.varied))
    if verdict.state is State.CANT_TELL:
        lines = [line for what in verdict.missing for line in what.splitlines()]
        console.warn(f"{verdict.step} can't be made again here; missing:", lines)
    if each.failed:
        kept = logs.path(verdict.step)
        console.warn(f"the end of the log{f' {kept}' if kept else ''}:", _end_of(logs, verdict.step))
    if verdict.state is State.DIFFERENT and each.statement.limits:
        console.say("what it had when it was recorded, and may be why:")
        for line in each.statement.limits:
            console.say(f"  {line}")
    if each.folder:
        console.say(f"what was built is in {each.folder}")


def _details(verdict: Verdict, file: Path) -> Iterator[str]:
    """What is wrong, and whether that is what was asked about."""
    for output in verdict.wrong[:_MOST]:
        yield from output.lines
    if len(verdict.wrong) > _MOST:
        yield f"and {len(verdict.wrong) - _MOST} more"
    for output in verdict.outputs:
        if verdict.wrong and output.state == "identical" and f"{file}".endswith(f"/{output.path}"):
            yield f"{shown(output.path)} itself is identical"


def _varied(step: str, varied: Varied) -> Iterator[str]:
    if varied.causes:
        yield f"{step}: what it is built in changes it:"
        for cause in varied.causes:
            yield f"  {cause.line}"
            for remedy in cause.remedies:
                yield f"    {remedy}"
    else:
        names = ", ".join(each.title.removeprefix("the ") for each in varied.varied)
        yield f"{step}: the same with all of these varied: {names}"
    if varied.unvaried:
        yield "  not varied:"
        for each in varied.unvaried:
            yield f"    {each.title}: {each.why}"


def _end_of(logs: Logs, step: str) -> Sequence[str]:
    from buildbox.comparing.finding import printable

    text = b"".join(logs.read(step, last=1 << 16)).decode(errors="replace")
    return [printable(line) for line in text.splitlines()[-_LAST:]]
