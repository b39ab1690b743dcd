"""What all steps of one run share: the engine and the run's lease there, the archive, images, secrets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from buildbox import images
from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.errors import EngineError
from buildbox.host import Host
from buildbox.oci import Platform
from buildbox.progress import Progress
from buildbox.reference import ImageRef
from buildbox.trust import Bounds

if TYPE_CHECKING:
    from buildbox.container import Bind
    from buildbox.engine.protocol import Engine, EngineInfo
    from buildbox.engine.sight import Sight

T = TypeVar("T")


@dataclass(frozen=True)
class Connected:
    """An engine, and a run that is registered with it."""

    engine: Engine
    run: str  # the run's id, from its lease
    rootless: bool  # root inside a container is the caller outside
    sight: Sight  # which files of this machine it sees


@dataclass(frozen=True)
class Staged:
    """A copy of the project as its next commit has it: what steps see instead of the project's folder."""

    root: Path  # the project in it
    git: tuple[Bind, ...]  # how mounted steps see its repository


class Connection:
    """The way to the engine, taken when it is first needed: a run whose steps all passed before asks none.

    `opened` connects, registers the run and removes what dead runs left; to be used by any thread.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[Connected]]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._connected: Connected | None = None
        self._fault: EngineError | None = None

    def get(self) -> Connected:
        """The engine and the run. Raises EngineError, ArchiveError."""
        with self._lock:
            if self._connected is None:
                self._connected = self._stack.enter_context(self._opened())
            return self._connected

    def enter(self, context: AbstractContextManager[T]) -> T:
        """What `context` gives; it ends when the connection does."""
        with self._lock:
            return self._stack.enter_context(context)

    def suspect(self, fault: EngineError) -> None:
        """The engine failed a step, which was told: something of this run may be left there, for a sweep."""
        self._fault = self._fault or fault

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None and self._fault:
            kind, error = EngineError, self._fault
        self._stack.__exit__(kind, error, trace)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Session:
    """What all steps of one run share. Any thread may use it."""

    host: Host
    bounds: Bounds  # what its steps are held against
    connection: Connection
    platform: Callable[[], Platform]  # of the containers that the engine runs
    archive: Archive
    offline: bool
    registry_for: images.RegistryFor
    recipe_for: Callable[[ImageRef], str | None]
    progress: Progress
    places_for: images.PlacesFor = images.own_place
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # by name; for those that may run
    staged: Staged | None = None  # None: they see the project's folder
    _secret_binds: list[tuple[Bind, ...]] = field(default_factory=list, repr=False)
    _known: dict[tuple[ImageRef, Platform | None], ArchivedImage] = field(default_factory=dict)
    _images: dict[tuple[ImageRef, Platform], tuple[ArchivedImage, str]] = field(default_factory=dict)
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _told: list[EngineInfo] = field(default_factory=list)
    no_copies: set[str] = field(default_factory=set)  # ids of images that can't copy files at the engine
    _sent: set[str] = field(default_factory=set)  # trees
    _sending: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def engine(self) -> Engine:
        """The engine. Raises EngineError, ArchiveError."""
        return self.connection.get().engine

    @property
    def run(self) -> str:
        """The run's id."""
        return self.connection.get().run

    @property
    def rootless(self) -> bool:
        """Whether root inside a container is the caller outside."""
        return self.connection.get().rootless

    def sees(self, path: Path) -> bool:
        """Whether the engine sees the very file or folder `path`, under this path. Raises EngineError."""
        return self.connection.get().sight.sees(path)

    def unseen(self, binds: Sequence[Bind]) -> tuple[Bind, ...]:
        """Those of `binds` that the engine doesn't see. Raises EngineError.

        Files for /etc go together. Another machine may have others under the same paths there, so only
        buildbox's own are looked for.
        """
        sees_all = self.connection.get().sight.outlook.sees_all
        if sees_all is not None:
            return () if sees_all else tuple(binds)
        etc = [bind for bind in binds if bind.target.startswith("/etc/")]
        own = all(self.host.data in Path(bind.source).parents for bind in etc) and self.sees(self.host.data)
        others = [bind for bind in binds if bind not in etc and not self.sees(Path(bind.source))]
        return (*others, *([] if own else etc))

    def engine_info(self) -> EngineInfo:
        """What the engine says of itself; it takes a while, so it is asked once a run. Raises EngineError."""
        with self._telling:
            if not self._told:
                self._told.append(self.engine.info())
            return self._told[0]

    def known_image(self, ref: ImageRef, platform: Platform | None) -> ArchivedImage | None:
        """What the archive knows of the image, for `platform` or the engine's own; None where it doesn't.

        Raises ImageError.
        """
        key = ref, platform
        if key not in self._known:
            found = images.find(self.archive, ref, platform or self.platform())
            if found is None:
                return None
            self._known[key] = found
        return self._known[key]

    def image(
        self, ref: ImageRef, platform: Platform | None, *, anew: bool = False
    ) -> tuple[ArchivedImage, str]:
        """The image and the engine's id for it, fetched and loaded as far as need be.

        Asked once a run, but `anew`: when the engine said that it hasn't got it any more.
        Raises ImageError, ArchiveError, EngineError.
        """
        key = ref, platform or self.platform()
        with self._lock:
            if anew or key not in self._images:
                self._images[key] = self._obtain(*key)
            return self._images[key]

    def secret_binds(self, names: Collection[str]) -> tuple[Bind, ...]:
        """The files with the values of the secrets `names`; there until the run ends. Raises UsageError."""
        from buildbox.secrets import secret_files

        if not names:
            return ()
        with self._lock:
            if not self._secret_binds:
                files = secret_files(
                    self.secrets, self.run, self.host.uid, self.host.env.get("XDG_RUNTIME_DIR")
                )
                self._secret_binds.append(self.connection.enter(files))
        return tuple(bind for bind in self._secret_binds[0] if bind.target.rpartition("/")[2] in names)

    def sent_tree(self, tree: str, send: Callable[[str], None]) -> str:
        """The engine's volume with the tree `tree`, gone when the run ends. Nobody may change what is in it.

        `send` fills the volume of the name that it is given, when the tree is first asked for; who asks
        meanwhile waits. Raises EngineError, and what `send` raises.
        """
        from buildbox.container import RUN_LABEL

        name = f"buildbox-{self.run}-tree-{tree[:16]}"
        with self._lock:
            lock = self._sending.setdefault(tree, threading.Lock())
        with lock:
            if tree not in self._sent:
                self.engine.make_volume(name, {RUN_LABEL: self.run})
                self.connection.enter(_removed(self.engine, name))
                send(name)
                self._sent.add(tree)
        return name

    def _obtain(self, ref: ImageRef, platform: Platform) -> tuple[ArchivedImage, str]:
        from buildbox.archive import savers

        found = images.obtain(
            self.archive,
            self.engine,
            ref,
            platform,
            offline=self.offline,
            registry_for=self.registry_for,
            recipe_for=self.recipe_for,
            progress=self.progress,
            places_for=self.places_for,
        )
        savers.end(self.archive.path)  # gc needn't wait for the tasks
        return found


@contextmanager
def _removed(engine: Engine, volume: str) -> Iterator[None]:
    """The volume is gone at the end of the context; the first fault is the one that is told."""
    try:
        yield
    except EngineError:
        with suppress(EngineError):
            engine.remove_volume(volume)
        raise
    engine.remove_volume(volume)
