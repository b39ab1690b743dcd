"""`buildbox check`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import Exit, ImageError, UsageError

if TYPE_CHECKING:
    from buildbox.archive.presence import Presence
    from buildbox.config.model import Config, Pinned
    from buildbox.policy import Aged
    from buildbox.reference import ImageRef
    from buildbox.registry.client import Registry


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(check)


def check(
    ctx: typer.Context,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Fail if anything would be written (check writes nothing now).")
    ] = False,
    remote: Annotated[
        bool,
        typer.Option("--remote", help="Ask each pin's registry, too, whether it still has all of the image."),
    ] = False,
) -> int:
    """Check the configuration, the pins, and what tasks ask of the host. Starts nothing, asks no network.

    With --remote each pin's registry is asked: for the pinned digest, for what an index lists (of a toolchain
    with a `platform` only that one), and for a tag that holds it, since registries remove what has none.
    It warns where there is none: the pin's tag means another image now, and no tag keep-sha256-... is there.

    Where the project has a [policy], the archive is asked how old the pinned images are; those of which it
    doesn't know that are named with -v.

    With --json: {"project", "toolchains": {NAME: IMAGE}, "services": {NAME: IMAGE}, "tasks": N}, with a
    [policy] "ages": [{"toolchain", "image", "made", "state"}], and with --remote "remote": [{"toolchains",
    "image", "state", "why", "advice", "tag", "gone", "lost", "archive", "remote-archive"}]; a service is
    named services.NAME there. The "state" of an age is ok, old, too-old or unknown, "made" a date or null.
    "state" of "remote" is there, loose (no tag holds it), gone, unknown (it couldn't be asked) or built
    (from a recipe: no registry is asked); "archive" has the platforms that the archive has of it, or is null;
    "remote-archive" says whether the one in config.toml has it, null where it wasn't or couldn't be asked.

    Exit status: 2 where an image is older than max-pin-age; 121 where one isn't pinned or, with --remote, is
    gone from its registry.

    Examples:

      buildbox check

      buildbox check --remote
    """
    from buildbox.pins import check_pins
    from buildbox.policy import TOO_OLD, refuse_old
    from buildbox.trust import check_service, check_task

    call: Call = ctx.obj
    if remote and call.offline:
        raise UsageError("check --remote can't do without a network", "Leave --offline out.")
    project = call.project()
    config = project.config
    bounds = call.bounds(project.root)
    for task in config.tasks.values():
        check_task(task, bounds)
    for service in config.services.values():
        check_service(service, bounds)
    check_pins(config)
    aged = _ages(call, config)
    found = _ask(call, config) if remote else []
    failed = sum(each["state"] in ("gone", "unknown") for each in found)
    if call.console.json:
        images = {name: str(toolchain.image) for name, toolchain in config.toolchains.items()}
        services = {name: str(service.image) for name, service in config.services.items()}
        document: dict[str, Any] = {"project": config.name, "toolchains": images, "services": services}
        document["tasks"] = len(config.tasks)
        if aged:
            document["ages"] = [_age_values(each) for each in aged]
        call.console.document({**document, "remote": found} if remote else document)
    elif failed:
        call.console.say(f"{_count(failed, 'pinned image')} can't be had from the registry")
    elif not any(each.state == TOO_OLD for each in aged):
        call.console.say(
            f"{config.path.name} is in order: {_count(len(config.tasks), 'task')}, "
            f"{_count(len(config.toolchains), 'pinned toolchain')}"
            + (f", {_count(len(config.services), 'pinned service')}" if config.services else "")
        )
    refuse_old(config, aged)
    return Exit.IMAGE if failed else Exit.OK


def _ages(call: Call, config: Config) -> tuple[Aged, ...]:
    """How old the images are, where the project wants to know; what is worth a warning is said."""
    from buildbox.archive.layout import Archive
    from buildbox.config.model import Policy
    from buildbox.policy import OLD, UNKNOWN, look_at_ages

    path = call.archive_path
    if config.policy == Policy():
        return ()
    archive = Archive.open(path, create=False) if path.exists() else None
    found = look_at_ages(config, archive, call.host.now)
    for aged in found:
        if aged.state == OLD:
            call.console.beware(f"{aged.pinned.title}: {aged.told}")
        elif aged.state == UNKNOWN:
            call.console.detail(f"{aged.pinned.title}: {aged.told}")
    return found


def _age_values(aged: Aged) -> dict[str, Any]:
    image = str(aged.pinned.image)
    return {"toolchain": aged.pinned.title, "image": image, "made": aged.date, "state": aged.state}


def _ask(call: Call, config: Config) -> list[dict[str, Any]]:
    """What the registries answer for each pin, shown as it comes."""
    from buildbox.archive.layout import Archive
    from buildbox.archive.presence import THERE, Presence, kept_platforms, look
    from buildbox.images import require_pin
    from buildbox.pins import is_built

    path = call.archive_path
    archive = Archive.open(path, create=False) if path.exists() else Archive(path)
    groups: dict[object, list[Pinned]] = {}
    for pinned in config.images():
        groups.setdefault((pinned.image, pinned.platform), []).append(pinned)
    found = []
    with ExitStack() as stack:

        @cache
        def open_registry(host: str) -> Registry:
            registry = call.registry(host)
            stack.callback(registry.close)
            return registry

        for users in groups.values():
            ref, names = users[0].image, [user.title for user in users]
            kept = kept_platforms(archive, require_pin(ref))
            values: dict[str, Any] = {"toolchains": names, "image": str(ref)}
            if is_built(ref):
                presence = Presence("built")
            else:
                presence = look(archive, open_registry(ref.registry), ref, users[0].platform)
            values |= _values(presence)
            values["archive"] = None if kept is None else list(kept)
            values["remote-archive"] = (
                None if presence.state == THERE else _ask_remote(call, ref, open_registry)
            )
            found.append(values)
            if not call.console.json:
                _show(call, values, call.recipe_for(ref))
    return found


def _ask_remote(call: Call, ref: ImageRef, open_registry: Callable[[str], Registry]) -> bool | None:
    """Whether the remote archive has the image; None where there is none, or it can't be asked."""
    from buildbox.archive.places import remote_place
    from buildbox.archive.presence import remote_has
    from buildbox.images import require_pin

    try:
        for place in remote_place(ref, call.user.archive.remote):
            return remote_has(open_registry(place.host), place, require_pin(ref))
    except ImageError as error:
        call.console.say(f"the remote archive can't be asked: {error.reason}")
    return None


def _values(presence: Presence) -> dict[str, Any]:
    return {
        "state": presence.state,
        "why": presence.why,
        "advice": presence.advice,
        "tag": presence.tag,
        "gone": list(presence.gone),
        "lost": list(presence.lost),
    }


def _show(call: Call, found: dict[str, Any], recipe: str | None) -> None:
    """One line of what was found, and the advice below it."""
    state, kept = found["state"], found["archive"]
    word = "fail" if state in ("gone", "unknown") else "warn" if state == "loose" or found["lost"] else "ok"
    if state == "built" and kept is None and not found["remote-archive"]:
        word = "warn"
    words = {
        "built": "built from a recipe; no registry is asked",
        "there": f"there, held by the tag {found['tag']}",
    }
    if call.console.quiet and word == "ok":
        return
    lines = [words.get(state) or found["why"], *found["advice"].splitlines()]
    if found["lost"]:
        lines.append(f"not there any more for {', '.join(found['lost'])}, which nothing here needs")
    if kept is not None and state != "there":
        lines.append("the archive has it" + (f" ({', '.join(kept)})" if kept else ""))
    elif state == "loose":
        lines.append("the archive doesn't have it; it would: buildbox archive save")
    elif state != "there":
        lines.append("the archive doesn't have it")
    if found["remote-archive"] is not None:
        lines.append(f"the remote archive {'has' if found['remote-archive'] else 'lacks'} it")
    if recipe and state != "there":
        lines.append(f"it can be rebuilt: buildbox images build {recipe}")
    heading = f"{call.console.state(word)}  {', '.join(found['toolchains'])}: {found['image']}"
    call.console.lines([heading, *(f"      {line}" for line in lines)])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
