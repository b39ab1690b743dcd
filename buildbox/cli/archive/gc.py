"""`buildbox archive gc`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.archive.list import short_name
from buildbox.cli.call import Call
from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.archive.gc import Collected
    from buildbox.archive.plan import Drop, Limits


def gc(
    ctx: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Drop what wasn't used for that long, e.g. 90d."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Drop the least recently used down to e.g. 50GB; else to max-size of config.toml.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
) -> None:
    """Drop from the archive what nobody needs, by age and by size, and free what nothing refers to.

    What a project on this machine pins stays, whatever its age and size. A project is known once something
    ran in it or was saved for it; its file is read again, and one whose folder is gone doesn't count any
    more. What was never used counts as used when it was kept. An image and the packages of its recipe's lock
    go together or stay together. Results of tasks go before anything else where there is too much: running
    makes them again. Statements on how things were built go by age alone; those that were asked for (`run
    --provenance`, `log --keep`) stay, with what they were on, and the results and images that it takes to
    reproduce that. Without a limit nothing is dropped that has a name, but results and statements that are
    damaged.

    Blobs that nothing refers to, and downloads that were abandoned, are left alone for a day: somebody may be
    about to need them. Saving and running while this goes on is safe.

    The notes on projects are this user's: before you collect an archive that several users write to, see
    that it has nothing that they pin.

    With --json: {"dry-run", "dropped": [{"names", "digest", "size", "why": "age" or "size"}],
    "results-dropped", "statements-dropped", "blobs", "files", "freed", "size", "max-size", "projects-gone"};
    "results-dropped", "statements-dropped", "blobs" and "files" (abandoned downloads) are counts, "size" is
    what is kept then, in bytes as "freed" is.

    Examples:

      buildbox archive gc --older-than 90d --dry-run

      buildbox archive gc --max-size 50GB
    """
    from buildbox.archive.gc import Collected, collect
    from buildbox.archive.layout import Archive
    from buildbox.archive.plan import Limits

    call: Call = ctx.obj
    limits = Limits(_age(older_than), _size(max_size) or call.user.archive.max_size)
    if call.archive_path.exists():
        builder = call.user.images.builder
        also = [builder.digest] if builder and builder.digest else []
        archive = Archive.open(call.archive_path, create=False)
        done = collect(archive, call.host.data, limits, call.host.now, dry_run=dry_run, also=also)
    else:
        done = Collected((), 0, 0, 0, 0, (), alone=True)
    _show(call, done, limits, dry_run)


def _show(call: Call, done: Collected, limits: Limits, dry_run: bool) -> None:
    from buildbox.units import show_size

    if call.console.json:
        call.console.document(
            {
                "dry-run": dry_run,
                "dropped": [
                    {
                        "names": list(drop.kept.names),
                        "digest": str(drop.kept.top.digest),
                        "size": drop.kept.size,
                        "why": drop.why,
                    }
                    for drop in done.drops
                    if not _is_left(drop)
                ],
                "results-dropped": sum(1 for drop in done.drops if drop.kept.hint),
                "statements-dropped": sum(1 for drop in done.drops if drop.kept.mark),
                "blobs": done.blobs,
                "files": done.files,
                "freed": done.freed,
                "size": done.size,
                "max-size": limits.size,
                "projects-gone": [str(project.root) for project in done.gone],
            }
        )
        return
    for project in done.gone:
        call.console.say(f"the project {project.root} is gone: what it pins doesn't count any more")
    reasons = {"age": "not used for that long", "size": "least recently used", "damage": "damaged"}
    call.console.lines(
        f"{short_name(name)} {drop.kept.top.digest.short} ({reasons[drop.why]})"
        for drop in done.drops
        if not _is_left(drop)
        for name in drop.kept.names
    )
    counts = Counter(
        ("statement" if drop.kept.mark else "result", drop.why) for drop in done.drops if _is_left(drop)
    )
    call.console.lines(
        f"{count} {noun}{'' if count == 1 else 's'} ({reasons[why]})" for (noun, why), count in counts.items()
    )
    verb = "would be freed" if dry_run else "freed"
    call.console.say(f"{show_size(done.freed)} {verb} ({done.blobs} blobs), {show_size(done.size)} kept")
    if done.drops and not done.alone:
        call.console.say("something is being saved: the rest of what was dropped can be freed in a day")
    if limits.size is not None and done.size > limits.size:
        call.console.say(f"that is more than {show_size(limits.size)}, but all of it is needed")


def _is_left(drop: Drop) -> bool:
    """Whether it is what a run has left, of which there may be many."""
    return bool(drop.kept.hint or drop.kept.mark)


def _age(text: str | None) -> float | None:
    from buildbox.units import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}", "Days are written as 90d.") from None


def _size(text: str | None) -> int | None:
    from buildbox.units import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise UsageError(f"--max-size: {error}", "For example 50GB.") from None
