"""What a verb is given: the options that every verb has, and the parts that most verbs need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.archive.layout import Archive
from buildbox.config.load import load
from buildbox.config.model import FILE_NAME, Config
from buildbox.config.user import UserConfig, load_user
from buildbox.console import Console
from buildbox.engine.find import Address, cannot_reach, engine_sockets, find_address
from buildbox.errors import ArchiveError, EngineError, ImageError, UsageError
from buildbox.host import Host
from buildbox.project import find_root
from buildbox.reference import ImageRef
from buildbox.trust import Bounds

if TYPE_CHECKING:
    from buildbox.archive.places import Place
    from buildbox.archive.sharing import RemoteResults
    from buildbox.engine.protocol import Engine
    from buildbox.engine.sight import Outlook
    from buildbox.registry.client import Registry
    from buildbox.session import Connected, Session, Staged
    from buildbox.tasks.plan import Step
    from buildbox.toolchains.builder import Builder


@dataclass(frozen=True)
class Project:
    """The project that a verb works in."""

    root: Path  # a real path
    config: Config


@dataclass(frozen=True)
class Call:
    """One call of the command line."""

    host: Host
    console: Console
    folder: Path | None  # -C
    engine: str | None
    offline: bool
    args: tuple[str, ...] | None  # what stands behind --; None without one

    def project(self) -> Project:
        """The project that the caller is in. Raises UsageError, ConfigError."""
        root = find_root(self.host.cwd, self.folder, self.home).resolve()
        return Project(root, load(root / FILE_NAME))

    def project_root(self) -> Path | None:
        """The folder of the project that the caller is in, unread; None outside of projects.

        Raises UsageError where `-C` names a folder that is in none.
        """
        try:
            return find_root(self.host.cwd, self.folder, self.home).resolve()
        except UsageError:
            if self.folder is not None:
                raise
            return None

    def catalogues(self) -> list[Path]:
        """Where recipes are looked for: the project's own folder `images`, if it has one, then ours."""
        from buildbox.recipes.catalogue import own_catalogue

        root = self.project_root()
        own = [root / "images"] if root and (root / "images").is_dir() else []
        return [*own, own_catalogue()]

    @property
    def home(self) -> Path:
        """The caller's home folder."""
        return Path(self.host.env.get("HOME") or "/")

    @cached_property
    def user(self) -> UserConfig:
        """The caller's config.toml. Raises ConfigError."""
        return load_user(self.host.user_config, self.home)

    @property
    def archive_path(self) -> Path:
        """Where the caller's archive is, or will be. Raises ConfigError."""
        return self.user.archive.path or self.host.data / "archive"

    def archive(self) -> Archive:
        """The caller's archive. Raises ArchiveError, ConfigError."""
        return Archive.open(self.archive_path)

    def address(self) -> Address:
        """Where the engine listens. Raises EngineError, UsageError."""
        return find_address(self.host, self.engine)

    def connect(self, address: Address) -> Engine:
        """The engine at `address`. Raises EngineError with what to do."""
        from buildbox.engine.docker import connect

        try:
            return connect(address)
        except EngineError as error:
            raise cannot_reach(self.host, address, error.reason) from None

    def registry(self, host: str, *, quick: bool = False) -> Registry:
        """The registry at `host`, with the caller's credentials for it; a `quick` one isn't waited for.

        Raises ImageError when offline.
        """
        if self.offline:
            raise ImageError(f"{host} is not asked (--offline)", "Leave --offline out to ask it.")
        from buildbox.registry.client import Registry
        from buildbox.registry.credentials import DockerLogins

        plain = host in self.user.archive.plain_http
        logins = DockerLogins(self.host.env)
        return Registry(host, logins, self.host.env, plain=plain, note=self.console.say, quick=quick)

    @contextmanager
    def shared_results(self, archive: Archive) -> Iterator[RemoteResults | None]:
        """Results of others, as far as config.toml says that they are asked for. Raises ConfigError."""
        settings = self.user.archive
        if self.offline or not settings.remote or settings.results == "off":
            yield None
            return
        from buildbox.archive.sharing import RemoteResults

        results = RemoteResults(
            archive,
            settings.remote,
            settings.results,
            lambda host: self.registry(host, quick=True),
            note=self.console.say,
            detail=self.console.detail,
        )
        with closing(results):
            yield results

    def places(self, ref: ImageRef) -> Sequence[Place]:
        """Where `ref` can be had beside the engine and the archive, best first. Raises ConfigError."""
        from buildbox.archive.places import places_of

        return places_of(ref, self.user.archive)

    def recipe_for(self, ref: ImageRef) -> str | None:
        """The recipe that is known to build exactly the image `ref`, if there is one."""
        from buildbox.recipes.catalogue import recipe_of

        return recipe_of(ref, self.catalogues())

    def bounds(self, root: Path, allowed: Sequence[str] = (), address: Address | None = None) -> Bounds:
        """What the tasks of the project in `root` are held against: config.toml, and `--allow`."""
        return Bounds(
            root=root,
            allowance=self.user.allowance(root).plus(allowed, self.home),
            sockets=engine_sockets(self.host, address),
            user_config=self.host.user_config,
            caller_is_root=self.host.uid == 0 and not (address and _is_rootless_socket(address)),
        )

    @contextmanager
    def session(
        self,
        root: Path,
        steps: Sequence[Step],
        allowed: Sequence[str],
        *,
        start: bool = True,
        staged: Staged | None = None,
    ) -> Iterator[Session]:
        """All that `steps` share when they run in the project in `root`, for steps that may run.

        Their secrets are gathered first, unless they aren't to `start`. They see what is `staged`, if given.

        The engine is asked when a step needs it. Raises NotAllowed, ConfigError, ImageError, EngineError.
        """
        from buildbox.session import Connection, Session
        from buildbox.vetting import takes_files, vet, vet_place, vet_sight

        try:
            address = self.address()
        except EngineError:
            refused = _staged(self.bounds(root, allowed), staged)
            vet(steps, refused)  # what may not run is the first thing to say
            raise
        bounds = _staged(self.bounds(root, allowed, address), staged)
        vet(steps, bounds)
        if start:
            vet_place(steps, address.url)

        @contextmanager
        def connected() -> Iterator[Connected]:
            with self.leased(address) as (engine, run):
                yield _connected(address, engine, run)

        with Connection(connected) as connection:
            archive = self.archive()  # whose faults are told before the engine is asked
            if start and address.is_local and any(map(takes_files, steps)):
                from buildbox.engine.sight import outlook

                if outlook(address).sees_all is None:
                    sight = connection.get().sight
                    vet_sight(steps, bounds, sight, self.host.env.get("XDG_RUNTIME_DIR"))
            secrets = self._secrets(steps, bounds, address) if start else {}
            yield Session(
                host=self.host,
                bounds=bounds,
                connection=connection,
                platform=lambda: address.platform() or connection.get().engine.platform(),
                archive=archive,
                offline=self.offline,
                registry_for=self.registry,
                recipe_for=self.recipe_for,
                progress=self.console,
                places_for=self.places,
                secrets=secrets,
                staged=staged,
            )

    def _secrets(self, steps: Sequence[Step], bounds: Bounds, address: Address) -> Mapping[str, bytes]:
        names = [name for step in steps for name in step.task.secrets]
        if not names:
            return {}
        from buildbox.secrets import gather, require_local

        require_local(address.is_local, names)
        root, config = bounds.project, self.host.user_config
        return gather(names, bounds.allowance.secrets, self.host.env, root=root, user_config=config)

    def note_use(self, project: Project | None, used: Iterable[ImageRef]) -> None:
        """Notes what the project pins and which images are used now, for `archive list` and `archive gc`.

        What can't be noted is no reason to fail.
        """
        from buildbox.archive.use import note_project, note_used

        try:
            if project:
                images = [pinned.image for pinned in project.config.images()]
                note_project(self.host.data, project.root, images, self.host.now)
            for image in used:
                if image.digest:
                    note_used(self.host.data, image.digest, self.host.now)
        except ArchiveError as error:
            self.console.detail(error.reason)

    @contextmanager
    def leased(self, address: Address) -> Iterator[tuple[Engine, str]]:
        """The engine at `address`, and the id of a new run there. What dead runs left is removed first.

        Raises EngineError, ArchiveError.
        """
        from buildbox.engine.sight import outlook
        from buildbox.leases import lease
        from buildbox.run import remove_all, sweep_dead, sweep_orphans

        engine = self.connect(address)
        runs, inside = self.host.data / "runs", ""
        if outlook(address).is_outside:
            from buildbox.engine.within import own_container

            temporary = Path(self.host.env.get("TMPDIR") or "/tmp")
            inside = own_container(engine, (temporary, self.host.data, Path("/var/tmp")))
            sweep_orphans(engine)
        with lease(runs, address.url, inside) as run:
            sweep_dead(engine, runs, self.host.now, self.host.env.get("XDG_RUNTIME_DIR"))
            try:
                yield engine, run
            except EngineError:  # it may have made what it couldn't tell of any more
                with suppress(EngineError):
                    remove_all(engine, run)
                raise
            engine.close()

    @contextmanager
    def builder(self) -> Iterator[Builder]:
        """What images are built in where the machine has no tools for it.

        Raises ImageError and EngineError with all ways out.
        """
        from buildbox.engine.sight import Sight, outlook
        from buildbox.recipes.catalogue import find_recipe, own_catalogue
        from buildbox.recipes.record import recorded_pin
        from buildbox.toolchains.builder import RECIPE, Builder, obtain_builder, ways_out

        pin = self.user.images.builder
        with ExitStack() as stack:
            try:
                address = self.address()
                engine, run = stack.enter_context(self.leased(address))
            except EngineError as error:
                hint = f"{error.hint}\n{ways_out(self.archive(), self.host.user_config)}"
                raise EngineError(error.reason, hint) from None
            pin = pin or recorded_pin(find_recipe(RECIPE, [own_catalogue()]))
            self.note_use(None, [pin] if pin else [])
            image = obtain_builder(
                pin,
                self.archive(),
                engine,
                self.host.user_config,
                offline=self.offline,
                registry_for=self.registry,
                progress=self.console,
                places_for=self.places,
            )
            sight = Sight(engine, outlook(address))
            yield Builder(engine, image, run, _is_rootless(address, engine, sight.outlook), sight)


def _staged(bounds: Bounds, staged: Staged | None) -> Bounds:
    return replace(bounds, root=staged.root, home=bounds.root) if staged else bounds


def _connected(address: Address, engine: Engine, run: str) -> Connected:
    """What there is to know of the engine. Raises EngineError."""
    from buildbox.engine.sight import Sight, outlook
    from buildbox.session import Connected

    sight = Sight(engine, outlook(address))
    rootless = _is_rootless(address, engine, sight.outlook)
    return Connected(engine, run, rootless, sight)


def _is_rootless(address: Address, engine: Engine, view: Outlook) -> bool:
    """Whether root inside a container is the caller outside: an engine elsewhere must be asked.

    So must one outside of our own container, where the socket's owner may have another number.
    """
    if address.is_local and (view.sees_all or not view.is_outside):
        return _is_rootless_socket(address)
    return engine.info().rootless


def _is_rootless_socket(address: Address) -> bool:
    """An engine's socket belongs to whom the engine runs as."""
    try:
        return address.is_local and address.path.stat().st_uid != 0
    except OSError:
        return False  # it will be found missing when it is asked
