"""The tree of one attempt at a hermetic step: a folder of this machine, or a volume of the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from buildbox.archive.layout import Archive
from buildbox.archive.results import extract
from buildbox.container import RUN_LABEL, SOURCE, Volume
from buildbox.digest import Digest
from buildbox.hermetic.weighing import Weighed
from buildbox.session import Session
from buildbox.surroundings import View, staged_view, user_of
from buildbox.tasks.plan import Step
from buildbox.trees.entry import FILE, PROGRAM
from buildbox.trees.packing import pack, unpack
from buildbox.trees.patterns import compile_patterns
from buildbox.trees.stage import settle, stage_files
from buildbox.trees.taking import Taken, take
from buildbox.volumes import copy, own, reached

_WORTH = 1 << 20  # bytes of inputs from which on a copy at the engine is faster than to send them again


class Stage(Protocol):
    """A tree that is filled, seen by a container, and harvested."""

    view: View

    def fill(self, root: Path, weighed: Weighed) -> None:
        """Exactly the inputs and the needed outputs. Raises Changed, TreeError, ArchiveError, EngineError."""

    def take(self, outputs: Sequence[str], to: Path) -> Taken:
        """The outputs, brought into the folder `to`. Raises OutputRefused, TreeError, EngineError."""

    def drop(self) -> None:
        """Removes it, but for the folder that it was given."""


def stage_for(session: Session, step: Step, folder: Path, *, again: bool = False) -> Stage:
    """The stage of an attempt at `step`, in `folder`, which is empty.

    `again`: other attempts of the run have the same inputs, or may have.
    """
    host, user = session.host, user_of(session, step)
    is_mine = session.rootless or user == (host.uid, host.gid)
    if (is_mine or host.uid == 0) and session.sees(folder):
        return LocalStage(session.archive, folder, None if is_mine else user)
    return VolumeStage(session, step, folder, user, again=again)


class LocalStage:
    """A folder of this machine. `owner`: uid and gid that its files get; None: the caller's."""

    def __init__(self, archive: Archive, folder: Path, owner: tuple[int, int] | None) -> None:
        self._archive, self._folder, self._owner = archive, folder, owner
        self.view = staged_view(folder)

    def fill(self, root: Path, weighed: Weighed) -> None:
        _fill(self._folder, root, weighed, self._archive, self._owner)

    def take(self, outputs: Sequence[str], to: Path) -> Taken:
        return take(self._folder, outputs, to)

    def drop(self) -> None:
        pass


class VolumeStage:
    """A volume of the engine's, for an engine elsewhere, or a user that files here can't be given to.

    It is reached through a container that never starts: the engine copies into and out of it. Inputs that
    are wanted `again` are sent once, into a volume that no task sees, and copied from there.
    """

    def __init__(
        self, session: Session, step: Step, folder: Path, user: tuple[int, int], *, again: bool
    ) -> None:
        self._session, self._step, self._folder, self._user = session, step, folder, user
        self._again = again
        self._name = f"buildbox-{session.run}-{folder.name}"
        self._stack = ExitStack()
        self._container = ""  # that reaches the volume
        self.view = View(volumes=(Volume(self._name, SOURCE),))

    def fill(self, root: Path, weighed: Weighed) -> None:
        engine, run = self._session.engine, self._session.run
        _fill(self._folder, root, weighed, self._session.archive, None)
        engine.make_volume(self._name, {RUN_LABEL: run})
        self._stack.callback(engine.remove_volume, self._name)
        image_id = self._session.image(self._step.toolchain.image, self._step.toolchain.platform)[1]
        self._container = self._stack.enter_context(reached(engine, image_id, self.view.volumes, run))
        there = self._copied(weighed, image_id) if self._again else frozenset[str]()
        tar = pack(self._folder, None, epoch=weighed.epoch, owner=self._user, without=there)
        engine.put_tree(self._container, SOURCE, tar)
        own(engine, self._container, [SOURCE], self._user, weighed.epoch)

    def _copied(self, weighed: Weighed, image_id: str) -> frozenset[str]:
        """Copies the files of the inputs from where they have been sent; gives those that are there now."""
        session, engine, run = self._session, self._session.engine, self._session.run
        files = [entry for entry in weighed.inputs.entries() if entry.mode in (FILE, PROGRAM)]
        if image_id in session.no_copies or sum(entry.size for entry in files) < _WORTH:
            return frozenset()

        def send(volume: str) -> None:
            with reached(engine, image_id, [Volume(volume, SOURCE)], run) as container:
                tar = pack(self._folder, files, epoch=weighed.epoch, owner=self._user)
                engine.put_tree(container, SOURCE, tar)

        tree = Digest.of(f"{weighed.inputs.digest} {weighed.epoch} {self._user}".encode())
        sent = session.sent_tree(tree.hex, send)
        if not copy(engine, image_id, sent, self._name, run):
            session.no_copies.add(image_id)
            return frozenset()
        return frozenset(entry.path for entry in files)

    def take(self, outputs: Sequence[str], to: Path) -> Taken:
        brought = to / "brought"
        tar = self._session.engine.get_tree(self._container, SOURCE)
        unpack(tar, brought, below=SOURCE.strip("/"), wanted=compile_patterns(outputs).matches)
        return take(brought, outputs, to / "taken")

    def drop(self) -> None:
        self._stack.close()


def _fill(
    folder: Path, root: Path, weighed: Weighed, archive: Archive, owner: tuple[int, int] | None
) -> None:
    """Copies into `folder` what `weighed` says, and settles modes, times and owner."""
    for made in weighed.needed.values():
        if made.result:
            extract(archive, made.result, folder)
        else:
            stage_files(root, made.entries, folder, since=0.0)
    stage_files(root, weighed.inputs, folder, since=weighed.inputs.since, epoch=weighed.epoch, owner=owner)
    settle(folder, weighed.epoch, owner)
