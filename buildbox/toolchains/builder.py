"""Debian's programs in containers of a builder image, for machines that don't have them.

Each command is a container of its own. It sees the workplace under its own path, so that a command is the
same as on the machine itself. What makes a root file system is root inside and works in the container's own
layer, which is gone with it; everything else runs as the caller.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from buildbox import images
from buildbox.archive.layout import Archive
from buildbox.container import CA_FILE, HOSTNAME, NAME_LABEL, RUN_LABEL, Bind, ContainerSpec, Tmpfs
from buildbox.engine.protocol import Engine
from buildbox.engine.sight import Sight
from buildbox.errors import EngineError, ImageError
from buildbox.execute import Streams
from buildbox.execute.events import in_background
from buildbox.execute.life import execute
from buildbox.host import Host
from buildbox.progress import Progress
from buildbox.recipes.tools import PATH, Command, Finished
from buildbox.reference import ImageRef
from buildbox.sources import ca_bundle, proxies

RECIPE = "builder/12"  # of the catalogue, whose image has the programs
_TEMP = "/var/tmp"  # in the container's own layer: what is made there can have any owner
_POLL = 0.2  # seconds between two calls of `watch`
# Runs "$@" and gives what root has made in the folder $2 to $1, however that went. A signal ends the shell at
# once, since it doesn't wait in the foreground, and the container with it.
_OWNED = 'owner=$1 place=$2; shift 2; "$@" & wait $!; status=$?; chown -RhP "$owner" "$place" && exit $status'


@dataclass(frozen=True)
class Builder:
    """A builder image that an engine has, and the run that its containers belong to."""

    engine: Engine
    image: str  # the engine's id
    run: str
    rootless: bool  # root inside a container is the caller outside
    sight: Sight  # of the folders that commands work in


class ContainerTools:
    """The programs of a builder image. It is asked for at the first command: some recipes need none."""

    as_root = True

    def __init__(self, host: Host, builder: Callable[[], Builder]) -> None:
        self._host = host
        self._builder = cache(builder)
        self._numbers = count(1)

    def run(
        self,
        command: Command,
        on_line: Callable[[str], None] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Finished:
        """See Tools. Raises ImageError where there is no builder image, EngineError."""
        for folder in command.reads:
            if not folder.is_dir():
                raise ImageError(f"the mirror {folder} is not a folder of this machine")
        builder = self._builder()
        for folder in (*command.reads, *([command.place.path] if command.place else [])):
            if not builder.sight.sees(folder):
                raise EngineError(
                    f"{builder.sight.told}, and doesn't see {folder} of here, where the image is made",
                    "Use an engine that sees it, or build where apt, dpkg and mmdebstrap are: on Debian 12 or"
                    " later, apt-get install mmdebstrap.",
                )
        spec = container_of(command, builder, self._host, next(self._numbers))
        said = _Said(on_line)
        with _watched(watch):
            outcome = execute(
                builder.engine, spec, Streams(said, None, None), timeout=None, say=lambda text: None
            )
        if outcome.signal:
            signal.raise_signal(outcome.signal)  # it was meant for us, too
            raise KeyboardInterrupt
        if outcome.ended and outcome.ended.out_of_memory:
            said.write(2, [memoryview(b"E: there was not enough memory\n")])
        return said.finished(outcome.status)


def container_of(command: Command, builder: Builder, host: Host, number: int) -> ContainerSpec:
    """The container that runs `command`, the run's `number`th. Pure, but for looking for certificates."""
    caller = (0, 0) if builder.rootless else (host.uid, host.gid)
    user = (0, 0) if command.isolated else caller
    argv, env = command.argv, dict(command.env)
    binds = [Bind(str(folder), str(folder), read_only=True) for folder in command.reads]
    if command.place:
        place = str(command.place.path)
        binds.append(Bind(place, place))
        if command.isolated:
            argv = ("sh", "-c", _OWNED, "sh", f"{caller[0]}:{caller[1]}", place, *argv)
    if command.network:
        env |= proxies(host.env)
        certificates = ca_bundle(host.env)
        if certificates:
            binds.append(Bind(certificates, CA_FILE, read_only=True))
    if command.isolated:
        env["TMPDIR"] = _TEMP
    return ContainerSpec(
        image=builder.image,
        argv=argv,
        env=tuple(sorted((env | {"PATH": PATH}).items())),
        workdir="/",
        user=f"{user[0]}:{user[1]}",
        binds=tuple(binds),
        tmpfs=() if command.isolated else (Tmpfs("/tmp", "mode=1777"),),
        network="bridge" if command.network else "none",
        hosts=() if command.network else ((HOSTNAME, "127.0.0.1"),),
        read_only=not command.isolated,
        may_mount=command.isolated,
        labels=((NAME_LABEL, f"buildbox-{builder.run}-builder-{number}"), (RUN_LABEL, builder.run)),
    )


def obtain_builder(
    pin: ImageRef | None,
    archive: Archive,
    engine: Engine,
    user_config: Path,
    *,
    offline: bool,
    registry_for: images.RegistryFor,
    progress: Progress,
    places_for: images.PlacesFor = images.own_place,
) -> str:
    """The engine's id of the builder image `pin` (None: the catalogue records none), loaded if need be.

    Raises ImageError with each place's answer and every way out, EngineError, ArchiveError.
    """
    if pin is None:
        raise ImageError(
            f"the catalogue records no image of {RECIPE} to build in", ways_out(archive, user_config)
        )
    try:
        _, image_id = images.obtain(
            archive,
            engine,
            pin,
            engine.platform(),
            offline=offline,
            registry_for=registry_for,
            recipe_for=lambda ref: None,  # it would have to be built with itself
            progress=progress,
            places_for=places_for,
        )
    except ImageError as error:
        raise ImageError(
            f"the builder image can't be had: {error.reason}",
            "\n".join(filter(None, [error.hint, ways_out(archive, user_config)])),
        ) from error
    return image_id


def ways_out(archive: Archive, user_config: Path) -> str:
    """What to do where there is no builder image, or no engine to run it."""
    return (
        "Without apt, dpkg and mmdebstrap, recipes are built in a builder image. Any of these will do:\n"
        "- On Debian 12 or later, a virtual machine perhaps: apt-get install mmdebstrap, and build there.\n"
        f"- Make the builder image there (buildbox images build {RECIPE}), and copy its archive folder to\n"
        f"  {archive.path}\n"
        f"- Publish it from there (buildbox images publish {RECIPE} …), and put its pin into\n"
        f"  {user_config}:\n\n"
        "    [images]\n"
        '    builder = "registry.example.com/tools/builder:12@sha256:…"'
    )


class _Said:
    """What a command writes; lines of its stderr are passed on as they come."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._output, self._errors = bytearray(), bytearray()
        self._begin = 0  # of the line that isn't whole yet

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """See buildbox.execute.Output."""
        for view in views:
            (self._output if stream == 1 else self._errors).extend(view)
        while (end := self._errors.find(b"\n", self._begin)) >= 0:
            if self._on_line:
                self._on_line(self._errors[self._begin : end].decode(errors="replace"))
            self._begin = end + 1

    def finished(self, status: int) -> Finished:
        """All of it."""
        return Finished(status, self._output.decode(errors="replace"), self._errors.decode(errors="replace"))


@contextmanager
def _watched(watch: Callable[[], None] | None) -> Iterator[None]:
    """Calls `watch` now and then for as long as the context lasts."""
    if watch is None:
        yield
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(_POLL):
            watch()

    thread = in_background(look)
    try:
        yield
    finally:
        over.set()
        thread.join()
