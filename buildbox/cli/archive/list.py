"""`buildbox archive list`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildbox.archive.projects import KnownProject
    from buildbox.archive.stock import Kept

_COLUMNS = ("NAME", "DIGEST", "KIND", "PLATFORMS", "SIZE", "KEPT", "USED", "PROJECTS")


_RESULTS = ("FINGERPRINT", "TASK", "SIZE", "KEPT", "USED")
_STATEMENTS = ("STATEMENT", "TASK", "FINGERPRINT", "SIZE", "MADE", "SIGNED", "STAYS")


def show(
    ctx: typer.Context,
    results: Annotated[bool, typer.Option("--results", help="List the results of tasks instead.")] = False,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="List the statements on how things were built instead.")
    ] = False,
) -> None:
    """List what the archive keeps: images, and the packages of recipes; with --results, what tasks made; with
    --provenance, how.

    SIZE is that of all its blobs; the total counts shared ones once. KEPT says how long ago it came, USED how
    long ago something ran in it. PROJECTS are those on this machine that pin it, by the file that they have
    now; `buildbox archive gc` leaves their images alone. Another name of the same thing is on the line below.
    STAYS says that `gc` leaves a statement, and what it needs to be reproduced, alone.

    With --json: {"archive", "size", "loose", "kept": [{"names", "digest", "kind": "image", "packages" or
    "other", "platforms", "size", "kept", "used", "projects", "missing", "damage"}], "results" and
    "provenance": {"count", "size"}}; sizes are in bytes, "loose" is that of blobs which nothing kept refers
    to, "missing" the number of blobs that should be there, "damage" says why what it is made of can't be
    told, if it can't. With --results, too: {"archive", "results": [{"fingerprint", "digest", "task", "size",
    "kept", "used", "damage"}]}; with --provenance {"archive", "provenance": [{"digest", "fingerprint",
    "task", "size", "made", "signed", "stays", "damage"}]}.

    Examples:

      buildbox archive list

      buildbox archive list --results

      buildbox archive list --provenance
    """
    from buildbox.archive.gc import loose
    from buildbox.archive.layout import Archive
    from buildbox.archive.left import take_results, take_statements
    from buildbox.archive.plan import size_of
    from buildbox.archive.projects import known_projects
    from buildbox.archive.stock import take_stock
    from buildbox.archive.use import last_used
    from buildbox.units import show_size

    call: Call = ctx.obj
    archive = Archive.open(call.archive_path, create=False) if call.archive_path.exists() else None
    if results and provenance:
        raise UsageError("both --results and --provenance", "Keep one of them.")
    made = take_results(archive) if archive and not provenance else ()
    told = take_statements(archive) if archive and not results else ()
    if results or provenance:
        _show_results(call, made) if results else _show_statements(call, told)
        return
    projects = known_projects(call.host.data)
    stock = take_stock(archive) if archive else ()
    everything = (*stock, *made, *told)
    size, unnamed = size_of(everything), loose(archive, everything) if archive else 0
    rows = [(kept, last_used(call.host.data, kept.manifests), _pinned_by(kept, projects)) for kept in stock]
    if call.console.json:
        values = [_values(*row) for row in rows]
        path = str(call.archive_path)
        counted = {
            "results": {"count": len(made), "size": size_of(made)},
            "provenance": {"count": len(told), "size": size_of(told)},
        }
        call.console.document({"archive": path, "size": size, "loose": unnamed, "kept": values, **counted})
        return
    call.console.table(_COLUMNS, (cells for row in rows for cells in _cells(*row, call.host.now)))
    for kept in stock:
        if kept.damage or kept.missing:
            what = kept.damage or f"{kept.missing} of its blobs are missing"
            call.console.say(f"{_name(kept)}: {what}; buildbox archive check says more")
    rest = f", and {show_size(unnamed)} that nothing kept refers to" if unnamed else ""
    if made:
        call.console.say(f"{_count(made)} of tasks, {show_size(size_of(made))}: archive list --results")
    if told:
        call.console.say(
            f"{_count(told, 'statement')} on them, {show_size(size_of(told))}: archive list --provenance"
        )
    call.console.say(f"{len(stock)} kept, {show_size(size)}{rest} in {call.archive_path}")


def _show_results(call: Call, made: Sequence[Kept]) -> None:
    from buildbox.archive.plan import size_of
    from buildbox.units import show_size

    if call.console.json:
        values = [_result_values(kept) for kept in made]
        call.console.document({"archive": str(call.archive_path), "results": values})
        return

    call.console.table(
        _RESULTS,
        (
            [
                kept.hint.fingerprint.short,
                kept.step or f"({kept.damage})",
                show_size(kept.size),
                _age(call, kept.since),
                _age(call, kept.hint.used),
            ]
            for kept in made
            if kept.hint
        ),
    )
    damaged = sum(1 for kept in made if kept.damage)
    if damaged:
        call.console.say(f"{damaged} of them can't be used; buildbox archive gc drops these")
    call.console.say(f"{_count(made)}, {show_size(size_of(made))} in {call.archive_path}")


def _show_statements(call: Call, told: Sequence[Kept]) -> None:
    from buildbox.archive.plan import size_of
    from buildbox.units import show_size

    if call.console.json:
        values = [_statement_values(kept) for kept in told]
        call.console.document({"archive": str(call.archive_path), "provenance": values})
        return
    call.console.table(
        _STATEMENTS,
        (
            [
                kept.mark.manifest.short,
                kept.step or f"({kept.damage})",
                kept.mark.fingerprint.short,
                show_size(kept.size),
                _age(call, kept.mark.created),
                "yes" if kept.signed else "-",
                "yes" if kept.mark.kept else "-",
            ]
            for kept in told
            if kept.mark
        ),
    )
    damaged = sum(1 for kept in told if kept.damage)
    if damaged:
        call.console.say(f"{damaged} of them can't be used: buildbox archive check --repair")
    call.console.say(f"{_count(told, 'statement')}, {show_size(size_of(told))} in {call.archive_path}")


def _age(call: Call, seconds: float) -> str:
    from buildbox.units import show_age

    return show_age(call.host.now - seconds) if seconds else "-"


def _count(kept: Sequence[Kept], noun: str = "result") -> str:
    return f"{len(kept):,} {noun}{'' if len(kept) == 1 else 's'}"


def _statement_values(kept: Kept) -> dict[str, Any]:
    assert kept.mark is not None
    return {
        "digest": str(kept.mark.manifest),
        "fingerprint": str(kept.mark.fingerprint),
        "task": kept.step or None,
        "size": kept.size,
        "made": _time(kept.mark.created),
        "signed": kept.signed,
        "stays": kept.mark.kept,
        "damage": kept.damage or None,
    }


def _result_values(kept: Kept) -> dict[str, Any]:
    assert kept.hint is not None
    return {
        "fingerprint": str(kept.hint.fingerprint),
        "digest": str(kept.hint.manifest) if kept.hint.manifest else None,
        "task": kept.step or None,
        "size": kept.size,
        "kept": _time(kept.since or None),
        "used": _time(kept.hint.used),
        "damage": kept.damage or None,
    }


def _pinned_by(kept: Kept, projects: Sequence[KnownProject]) -> list[str]:
    return [str(each.root) for each in projects if not kept.manifests.isdisjoint(each.digests)]


def _name(kept: Kept) -> str:
    return short_name(kept.names[0]) if kept.names else "(no name)"


def short_name(name: str) -> str:
    """A full name as people write it, without its digest."""
    return name.rpartition("@")[0].removeprefix("docker.io/").removeprefix("library/") or name


def _cells(kept: Kept, used: float | None, projects: Sequence[str], now: float) -> Iterator[list[str]]:
    from buildbox.units import show_age, show_size

    yield [
        _name(kept),
        kept.top.digest.short,
        kept.kind,
        " ".join(kept.platforms) or "-",
        show_size(kept.size),
        show_age(now - kept.since) if kept.since else "-",
        "-" if used is None else show_age(now - used),
        " ".join(projects) or "-",
    ]
    for name in kept.names[1:]:
        yield [short_name(name), kept.top.digest.short, *[""] * (len(_COLUMNS) - 2)]


def _values(kept: Kept, used: float | None, projects: Sequence[str]) -> dict[str, Any]:
    return {
        "names": list(kept.names),
        "digest": str(kept.top.digest),
        "kind": kept.kind,
        "platforms": list(kept.platforms),
        "size": kept.size,
        "kept": _time(kept.since or None),
        "used": _time(used),
        "projects": list(projects),
        "missing": kept.missing,
        "damage": kept.damage or None,
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
