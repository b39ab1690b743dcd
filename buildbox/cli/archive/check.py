"""`buildbox archive check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import ArchiveError, Exit, UsageError

if TYPE_CHECKING:
    from buildbox.archive.hashing import States
    from buildbox.archive.layout import Archive
    from buildbox.archive.repair import Repair
    from buildbox.archive.soundness import Fault, Soundness
    from buildbox.oci import Platform
    from buildbox.registry.client import Registry
    from buildbox.toolchains.origins import Origin

_Origins = Mapping[str, "Origin"]  # by name


def check(
    ctx: typer.Context,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Fetch again what is damaged or missing, from where it can be had."),
    ] = False,
) -> int:
    """Read all of the archive and say what is damaged or missing, and where it could be had again.

    Every blob is hashed; everything that is kept by a name is followed down to its layers. With --repair
    damaged blobs are set aside (in the folder `damaged` of the archive), good ones fetched by their digests
    from the remote archive, mirrors and registries of the images that need them, and only then is what was
    set aside removed. A damaged index.json, the list of names, is made anew. Packages of recipes can't be
    fetched singly; what to type for those is said. Results of tasks that can't be used are dropped: the next
    run asks the remote archive for them, or makes them again. Statements on how things were built are dropped
    where the remote archive doesn't have what they lack.

    With --json: {"state", "archive", "blobs", "bytes", "names", "results", "statements", "index", "faults":
    [{"digest", "role", "state", "how", "bytes", "title", "images", "projects", "places", "command",
    "answers"}], "repaired": [{"digest", "role", "images", "place"}], "results-dropped",
    "statements-dropped"}; "index" says what is wrong with the list of names, if anything; "images" are the
    names of all that needs the blob.

    Exit status: 0 when all is sound, 123 when something is damaged or missing (and, with --repair, stays so).

    Examples:

      buildbox archive check

      buildbox archive check --repair
    """
    from buildbox.archive.hashing import hash_all, look_again
    from buildbox.archive.layout import Archive
    from buildbox.archive.soundness import NOTHING, SET_ASIDE, examine

    call: Call = ctx.obj
    if not call.archive_path.exists():  # looking at it doesn't make it
        _show(call, Archive(call.archive_path), NOTHING, None)
        return Exit.OK
    archive = call.archive()
    platform = _platform()
    states = hash_all(archive, call.console)
    found = examine(archive, states, platform)
    if not found.ok:  # somebody may be at work there
        look_again(archive, states)
        found = examine(archive, states, platform)
    done = None
    if repair and (not found.ok or (archive.path / SET_ASIDE).exists()):
        found, done = _repair(call, archive, states, found, platform)
    _show(call, archive, found, done)
    return Exit.OK if found.ok else Exit.ARCHIVE


def _repair(
    call: Call, archive: Archive, states: States, found: Soundness, platform: Platform
) -> tuple[Soundness, Repair]:
    from buildbox.archive.repair import repair

    with ExitStack() as stack:

        @cache
        def open_registry(host: str) -> Registry:
            registry = call.registry(host)
            stack.callback(registry.close)
            return registry

        return repair(
            archive,
            states,
            found,
            platform,
            places_for=lambda name: _origin(call, name).places,
            open_registry=open_registry,
            known=[name for names in _projects(call).values() for name in names],
            progress=call.console,
        )


def _origin(call: Call, name: str) -> Origin:
    from buildbox.toolchains.origins import find_origin

    return find_origin(name, call.recipe_for, call.user.archive)


def _show(call: Call, archive: Archive, found: Soundness, done: Repair | None) -> None:
    """The answer on stdout, and on stderr what to do."""
    console = call.console
    projects = _projects(call) if found.faults else {}
    origins = {name: _origin(call, name) for fault in found.faults for name in fault.names}
    if console.json:
        console.document(_values(archive, found, done, projects, origins))
    else:
        for healed in done.healed if done else ():
            how = f"fetched again from {healed.place}" if healed.place else "set aside: nothing needs it"
            console.lines([f"{console.state('ok')}  {_title(healed.fault)}: {how}"])
        if done and done.names is not None:
            console.lines([f"{console.state('ok')}  index.json was made anew, with {done.names} names"])
        if done and done.results:
            dropped = _count(done.results, "damaged result")
            console.lines([f"{console.state('ok')}  {dropped} dropped: running makes them again"])
        if done and done.statements:
            dropped = _count(done.statements, "damaged statement")
            console.lines([f"{console.state('ok')}  {dropped} dropped: nobody has what is damaged"])
        if found.list_fault:
            console.lines([f"{console.state('fail')}  {found.list_fault}"])
        for fault in found.faults:
            console.lines(_lines(fault, console.state("fail"), done, projects, origins))
    if found.ok:
        from buildbox.units import show_size

        console.say(
            f"the archive is sound: {_count(found.blobs, 'blob')}, {show_size(found.size)}, "
            f"{_count(found.names, 'name')}, {_count(len(found.results), 'result')}, "
            f"{_count(len(found.statements), 'statement')}"
        )
        return
    console.error(_error(archive, found, done))


def _error(archive: Archive, found: Soundness, done: Repair | None) -> ArchiveError:
    from buildbox.archive.layout import REPAIR
    from buildbox.archive.soundness import SET_ASIDE

    states = [fault.state for fault in found.faults]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    if found.list_fault:
        parts.append("its list of names")
    hint = "Each line says what the places answered that might have had it."
    aside = archive.path / SET_ASIDE
    if done is None:
        hint = f"Fetch again what can be had: {REPAIR}"
    elif aside.exists():
        hint += f"\nWhat was found damaged is kept in {aside} until a good copy is here."
    return ArchiveError(f"the archive at {archive.path} is damaged: {', '.join(parts)}", hint)


def _lines(
    fault: Fault,
    state: str,
    done: Repair | None,
    projects: Mapping[str, Sequence[str]],
    origins: _Origins,
) -> list[str]:
    """What is wrong, whose it is, and where it could be had again."""
    from buildbox.archive.hints import is_result_name
    from buildbox.archive.layout import REPAIR

    lines = [
        f"{state}  {_title(fault)} {'' if fault.state == 'missing' else f'is {fault.state}: '}{fault.how}"
    ]
    for name in fault.names:
        lines.append(f"      of {name}")
        lines += [f"        pinned in {root}" for root in _roots(name, projects)]
        for place in origins[name].places:
            answer = done.answers.get((name, place)) if done else None
            lines.append(f"        {place}: {answer}" if answer else f"        to be had from {place}")
        if origins[name].command:
            unless = "" if origins[name].surely else " (if its lock is still the same)"
            lines.append(f"        to be made again: {origins[name].command}{unless}")
    if fault.names and all(map(is_result_name, fault.names)):
        lines.append(f"      to be dropped, for a run makes it again: {REPAIR}")
    if not fault.names:
        lines.append("      nothing that is kept needs it")
    return lines


def _title(fault: Fault) -> str:
    return f"{fault.role} {fault.title or fault.blob.digest}"


def _values(
    archive: Archive,
    found: Soundness,
    done: Repair | None,
    projects: Mapping[str, Sequence[str]],
    origins: _Origins,
) -> dict[str, Any]:
    def answers(fault: Fault) -> dict[str, str]:
        known = done.answers if done else {}
        return {str(place): answer for (name, place), answer in known.items() if name in fault.names}

    return {
        "state": "ok" if found.ok else "fail",
        "archive": str(archive.path),
        "blobs": found.blobs,
        "bytes": found.size,
        "names": found.names,
        "results": len(found.results),
        "statements": len(found.statements),
        "index": found.list_fault or None,
        "faults": [
            {
                "digest": str(fault.blob.digest),
                "role": fault.role,
                "state": fault.state,
                "how": fault.how,
                "bytes": fault.blob.size,
                "title": fault.title or None,
                "images": list(fault.names),
                "projects": sorted({root for name in fault.names for root in _roots(name, projects)}),
                "places": list(dict.fromkeys(str(p) for name in fault.names for p in origins[name].places)),
                "command": next((origins[n].command for n in fault.names if origins[n].command), None),
                "answers": answers(fault),
            }
            for fault in found.faults
        ],
        "repaired": [
            {
                "digest": str(healed.fault.blob.digest),
                "role": healed.fault.role,
                "images": list(healed.fault.names),
                "place": str(healed.place) if healed.place else None,
            }
            for healed in (done.healed if done else ())
        ],
        "results-dropped": done.results if done else 0,
        "statements-dropped": done.statements if done else 0,
    }


def _projects(call: Call) -> dict[str, tuple[str, ...]]:
    """What the projects that are known pin, by their folders; and the one that the caller is in."""
    from buildbox.archive.images import full_name
    from buildbox.archive.projects import known_projects
    from buildbox.errors import ConfigError

    found = {}
    try:
        found = {str(known.root): known.pins for known in known_projects(call.host.data) if not known.gone}
    except ArchiveError as error:
        call.console.say(error.reason)
    try:
        project = call.project()
    except (UsageError, ConfigError):
        return found
    refs = [pinned.image for pinned in project.config.images()]
    return {**found, str(project.root): tuple(full_name(ref, ref.digest) for ref in refs if ref.digest)}


def _roots(name: str, projects: Mapping[str, Sequence[str]]) -> list[str]:
    """The projects that pin what is kept as `name`, whatever they call it."""
    digest = name.rpartition("@")[2]
    return [root for root, pins in projects.items() if any(pin.endswith(f"@{digest}") for pin in pins)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _platform() -> Platform:
    """This machine's, as engines call it."""
    import platform

    from buildbox.oci import Platform

    machine = platform.machine().lower()
    return Platform("linux", {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine))
