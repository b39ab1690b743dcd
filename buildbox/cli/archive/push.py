"""`buildbox archive push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import ImageError

if TYPE_CHECKING:
    from buildbox.archive.deposit import Deposited
    from buildbox.archive.layout import Archive
    from buildbox.reference import ImageRef
    from buildbox.registry.client import Registry


def push(
    ctx: typer.Context,
    toolchains: Annotated[list[str] | None, typer.Argument(metavar="[TOOLCHAIN]...")] = None,
    to: Annotated[
        str,
        typer.Option(metavar="REGISTRY/PATH", help="Where to, instead of `remote` in config.toml."),
    ] = "",
    results: Annotated[
        bool, typer.Option("--results", help="Push what tasks made, too: all results of the archive.")
    ] = False,
) -> None:
    """Push the project's pinned images from the archive to a remote archive: any registry.

    They get there byte for byte, below REGISTRY/PATH, in a repository for each one they came from; the image
    docker.io/library/debian, e.g., in REGISTRY/PATH/docker-io/library/debian. Each manifest gets a tag
    (keep-sha256-...), so that the registry keeps it. What is there already isn't sent again, and layers that
    another repository of the registry has are mounted from it. Logins are those of `docker login`.

    Results of tasks, of all projects, go to REGISTRY/PATH/results with --results, each under a tag of its
    fingerprint (result-sha256-...); one that is there stays. The statements on them go along
    (provenance-sha256-...); one that is there makes way only for a signed one. Who may write there decides
    what all who read there take for made: let CI push, and others pull (`results` in [archive] of
    config.toml). `buildbox run` asks for results there by itself.

    Prints what the remote archive calls each image. With --json: {"remote", "images": [{"toolchains",
    "image", "place", "platforms", "missing", "refused", "pushed", "mounted", "present"}], "results":
    {"pushed", "present", "statements", "bytes"}}, the last three of an image in bytes; "missing" are the
    platforms that the archive lacks; of results how many were pushed and how many were there, how many
    statements were pushed; null without --results.

    Examples:

      buildbox archive push --to registry.example.com/team/archive

      buildbox archive push python

      buildbox archive push --results
    """
    from buildbox.archive.deposit import Neighbours, deposit
    from buildbox.archive.remote import held
    from buildbox.cli.archive.remote import remote_of
    from buildbox.images import require_pin
    from buildbox.pins import choose

    call: Call = ctx.obj
    project = call.project()
    remote = remote_of(call, to, "--to")
    names: dict[ImageRef, list[str]] = {}
    for toolchain in choose(project.config, toolchains or ()):
        require_pin(toolchain.image)
        names.setdefault(toolchain.image, []).append(toolchain.title)
    call.note_use(project, names)
    archive = call.archive()
    done: list[dict[str, Any]] = []
    lacking: list[str] = []
    registry = call.registry(remote.partition("/")[0])
    try:
        neighbours = Neighbours(archive, registry, remote)
        for ref, users in names.items():
            image = held(archive, require_pin(ref))
            if image is None:
                lacking.append(f"{', '.join(users)}: {ref}")
                continue
            deposited = deposit(image, ref, registry, neighbours, call.console)
            done.append({"toolchains": users, "image": str(ref), **_values(deposited)})
            _tell(call, ref, deposited)
        counted = _push_results(call, archive, registry, remote) if results else None
    finally:
        registry.close()
    if call.console.json:
        call.console.document({"remote": remote, "images": done, "results": counted})
    if lacking:
        raise ImageError(
            "the archive lacks an image" if len(lacking) == 1 else f"the archive lacks {len(lacking)} images",
            "\n".join([*lacking, "Nothing of these was pushed. Bring them into the archive first:"])
            + "\nbuildbox archive save",
        )


def _push_results(call: Call, archive: Archive, registry: Registry, remote: str) -> dict[str, int]:
    from buildbox.archive.places import results_place
    from buildbox.archive.sharing import push_results
    from buildbox.progress import Silent
    from buildbox.units import show_size

    place = results_place(remote)
    counted = {"pushed": 0, "present": 0, "statements": 0, "bytes": 0}
    for result, pushed, told in push_results(archive, registry, place, Silent()):
        counted["pushed" if pushed else "present"] += 1
        counted["statements"] += told is not None
        sent = sum(each.sent for each in (pushed, told) if each)
        counted["bytes"] += sent
        if pushed or told:
            call.console.detail(f"{result.step}: {place}, {show_size(sent)}")
    call.console.say(
        f"results: {counted['pushed']} pushed to {place} with {counted['statements']} statements, "
        f"{show_size(counted['bytes'])}; {counted['present']} there already"
    )
    return counted


def _tell(call: Call, ref: ImageRef, done: Deposited) -> None:
    from buildbox.units import show_size

    sizes = {
        "sent": done.pushed.sent,
        "mounted": done.pushed.mounted,
        "there already": done.pushed.present,
    }
    call.console.say(f"{ref.tagged}: " + ", ".join(f"{show_size(n)} {how}" for how, n in sizes.items() if n))
    if done.missing:
        kept = ""
        if done.refused:
            call.console.detail(done.refused)
            kept = (
                f"; {done.place.registry} takes the index only with these, and has its bytes beside them "
                "instead: `archive pull` finds them there, other programs may not"
            )
        call.console.say(f"{ref.tagged}: the archive lacks {', '.join(done.missing)}{kept}")
        call.console.say("to push the whole of it: buildbox archive save --all-platforms, and push again")
    if not call.console.json:
        call.console.lines([str(done.place)])


def _values(done: Deposited) -> dict[str, Any]:
    return {
        "place": str(done.place),
        "platforms": list(done.platforms),
        "missing": list(done.missing),
        "refused": done.refused,
        "pushed": done.pushed.sent,
        "mounted": done.pushed.mounted,
        "present": done.pushed.present,
    }
