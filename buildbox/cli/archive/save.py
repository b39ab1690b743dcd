"""`buildbox archive save`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buildbox.cli.call import Call
from buildbox.errors import BuildboxError, EngineError, Exit, ImageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildbox.config.model import Pinned
    from buildbox.images import PlacesFor
    from buildbox.oci import Platform
    from buildbox.registry.client import Registry
    from buildbox.saving import Saved


def save(
    ctx: typer.Context,
    toolchains: Annotated[list[str] | None, typer.Argument(metavar="[TOOLCHAIN]...")] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH", help="Keep the images for this platform; the engine's own if none."),
    ] = None,
    all_platforms: Annotated[
        bool, typer.Option("--all-platforms", help="Keep the images for all platforms that they have.")
    ] = False,
) -> int:
    """Bring the images that the project pins into the archive, byte for byte as their registry has them.

    They come from the remote archive and the mirrors in config.toml, or else from the registry that the pin
    names, and are checked against the pin. What is in the archive isn't fetched again, whichever project it
    came for; what was interrupted goes on where it was. A toolchain that sets its own platform is kept for
    that alone, unless all are asked for.

    With --json: {"images": [{"toolchain", "pin", "platforms", "left": [{"what", "why"}], "size", "fetched"}],
    "failed": [{"toolchain", "reason", "hint"}]}; sizes in bytes. "left" is what an image lists and nobody
    has, or can keep, where all platforms are asked for.

    Exit status: 121 where an image can't be had; the others are saved all the same.

    Examples:

      buildbox archive save

      buildbox archive save python --platform linux/amd64 --platform linux/arm64

      buildbox archive save --all-platforms
    """
    call: Call = ctx.obj
    return save_pins(call, toolchains or (), platform or (), all_platforms, call.places)


def save_pins(
    call: Call, names: Sequence[str], platforms: Sequence[str], everything: bool, places_for: PlacesFor
) -> int:
    """What `save` does, with the images from `places_for`, and `pull` from the remote archive alone."""
    from buildbox.images import require_pin
    from buildbox.pins import choose
    from buildbox.saving import Sources, platforms_of
    from buildbox.saving import save as save_image

    given = _platforms(platforms, everything)
    project = call.project()
    chosen = choose(project.config, names)
    for toolchain in chosen:
        require_pin(toolchain.image)
    call.note_use(project, (toolchain.image for toolchain in chosen))
    archive, own = call.archive(), _own_platform(call)
    saved: list[Saved] = []
    failed: list[tuple[str, ImageError]] = []
    with ExitStack() as stack:

        @cache
        def registry_for(host: str) -> Registry:
            return stack.enter_context(closing(call.registry(host)))

        sources = Sources(call.offline, places_for, registry_for, call.recipe_for)
        for toolchain in chosen:
            wanted = platforms_of(toolchain, given, everything, own)
            _tell_unneeded(call, toolchain, given)
            try:
                saved.append(save_image(archive, toolchain, wanted, sources, call.console))
            except ImageError as error:
                failed.append((toolchain.title, error))
                continue
            _tell(call, saved[-1])
    if call.console.json:
        call.console.document(
            {"images": [_values(each) for each in saved], "failed": [_failure(*each) for each in failed]}
        )
    for name, fault in failed:
        call.console.error(BuildboxError(f"{name}: {fault.reason}", fault.hint))
    return Exit.IMAGE if failed else Exit.OK


def _platforms(texts: Sequence[str], everything: bool) -> tuple[Platform, ...]:
    from buildbox.config import values

    if texts and everything:
        raise UsageError("both --platform and --all-platforms", "Keep one of them.")
    try:
        return tuple(values.platform(text) for text in texts)
    except ValueError as error:
        raise UsageError(f"--platform: {error}") from None


def _own_platform(call: Call) -> Callable[[], Platform]:
    """Gives the engine's platform, asked once; without an engine this machine's."""
    from buildbox.oci import Platform

    @cache
    def own() -> Platform:
        try:
            engine = call.connect(call.address())
            try:
                return engine.platform()
            finally:
                engine.close()
        except EngineError as error:
            import platform

            machine = platform.machine()
            found = Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))
            call.console.say(f"{error.reason}; keeping what {found}, this machine's platform, needs")
            return found

    return own


def _tell_unneeded(call: Call, toolchain: Pinned, given: Sequence[Platform]) -> None:
    others = [str(platform) for platform in given if platform != toolchain.platform]
    if toolchain.platform and others:
        call.console.say(
            f"{toolchain.title}: not needed for {', '.join(others)}: it always runs as {toolchain.platform}"
        )


def _tell(call: Call, saved: Saved) -> None:
    from buildbox.units import show_size

    for left in saved.left:
        call.console.say(f"{saved.toolchain}: not kept: {left.what}: {left.why}")
    news = f"{show_size(saved.fetched)} of them new" if saved.fetched else "all of it there already"
    platforms = ", ".join(saved.platforms)
    call.console.say(
        f"{saved.toolchain}: kept {saved.pin.tagged} for {platforms}: {show_size(saved.size)}, {news}"
    )


def _values(saved: Saved) -> dict[str, Any]:
    return {**asdict(saved), "pin": str(saved.pin)}


def _failure(name: str, error: ImageError) -> dict[str, str]:
    return {"toolchain": name, "reason": error.reason, "hint": error.hint}
