"""Looks at everything, one check after the other, and goes on after one that fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.archive.loader import load
from buildbox.config.model import Config
from buildbox.doctor import checks
from buildbox.doctor.checks import Check
from buildbox.doctor.survey import existing, survey, whole_images
from buildbox.doctor.trial import try_container
from buildbox.engine.find import Address
from buildbox.engine.protocol import Engine, EngineInfo
from buildbox.engine.sight import Sight, outlook
from buildbox.errors import BuildboxError
from buildbox.host import Host
from buildbox.leases import lease
from buildbox.progress import Progress

_NO_IMAGE = "Any image will do, for example: buildbox images build python/3.11"


@dataclass(frozen=True)
class Patient:
    """What is to be looked at, and how to get at it."""

    host: Host
    archive: Path
    find: Callable[[], Address]
    connect: Callable[[Address], Engine]
    project: Callable[[], Config | None]  # None: there is none here
    folder: Path  # of the project, or where the caller is
    clock: Callable[[], float]  # seconds since the epoch
    progress: Progress


def examine(patient: Patient) -> Iterator[Check]:
    """Every check of checks.NAMES, each as soon as it is made."""
    address: Address | None = None
    engine: Engine | None = None
    info: EngineInfo | None = None
    try:
        address = patient.find()
        engine = patient.connect(address)
        before = patient.clock()
        info = engine.info()
        now = (before + patient.clock()) / 2
        yield checks.engine(address)
    except BuildboxError as error:
        yield checks.failed("engine", error)
    sight = Sight(engine, outlook(address)) if address and engine else None
    if address and info and sight:
        yield checks.version(info)
        yield checks.store(info)
        yield checks.mode(info)
        yield _engine_disk(sight, info)
        yield checks.clock(now, None if info.system_time is None else info.system_time - now)
    else:
        for name in ("version", "store", "mode", "engine disk"):
            yield checks.not_tried(name, "it takes an engine")
        yield checks.clock(patient.clock(), None)
    yield from _archive(patient.archive)
    if address and engine and info and sight:
        yield from _container(patient, address, engine, info, sight)
        engine.close()
    else:
        yield checks.not_tried("container", "it takes an engine")
        yield checks.not_tried("files", "it takes an engine")
    yield _project(patient)


def _engine_disk(sight: Sight, info: EngineInfo) -> Check:
    folder = Path(info.root_folder)
    if not sight.outlook.sees_all or not info.root_folder or not folder.is_dir():
        return checks.Check("engine disk", checks.OK, "not to be seen from here")
    return _disk("engine disk", folder)


def _archive(path: Path) -> Iterator[Check]:
    try:
        yield checks.archive(survey(path))
    except BuildboxError as error:
        yield checks.failed("archive", error)
    yield _disk("archive disk", existing(path))


def _disk(name: str, folder: Path) -> Check:
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return checks.not_tried(name, f"{folder}: {error.strerror}")
    return checks.disk(name, str(folder), usage.total, usage.free)


def _container(
    patient: Patient, address: Address, engine: Engine, info: EngineInfo, sight: Sight
) -> Iterator[Check]:
    """A container's start, and the files; as far as the engine sees the folders of this machine."""
    host = patient.host
    if not address.is_local:
        for name in ("container", "files"):
            yield checks.not_tried(name, "an engine on another machine doesn't see the folders of this one")
        return
    try:
        if not sight.sees_tree(patient.folder) or not sight.sees(existing(host.data)):
            yield checks.not_tried("container", f"the engine doesn't see {existing(host.data)} of here")
            yield checks.sight(sight, patient.folder)
            return
        found = _image(patient, engine)
        if found is None:
            yield checks.not_tried("container", "no image yet to try it with", _NO_IMAGE)
            yield checks.not_tried("files", "no image yet to try it with")
            return
        name, image_id = found
        user = (0, 0) if info.rootless else (host.uid, host.gid)
        with lease(host.data / "runs", address.url) as run:
            trial = try_container(engine, name, image_id, data=host.data, run=run, user=user)
    except BuildboxError as error:
        yield checks.failed("container", error)
        yield checks.not_tried("files", "no container ran")
        return
    result = checks.container(trial)
    yield result
    if result.state == checks.FAIL and not trial.read and trial.owner is None:
        yield checks.not_tried("files", "no container ran")
    else:
        yield checks.files(trial, host.uid, host.gid)


def _image(patient: Patient, engine: Engine) -> tuple[str, str] | None:
    """Name and id of an image that the engine has: the smallest, loaded if it has none."""
    path = patient.archive
    images: list[tuple[str, ArchivedImage]] = whole_images(path, engine.platform())
    for name, image in images:
        for image_id in image.ids:
            if engine.has_image(image_id):
                return name, image_id
    for name, image in images:
        return name, load(Archive.open(path, create=False), image, engine, patient.progress)
    return None


def _project(patient: Patient) -> Check:
    try:
        config = patient.project()
    except BuildboxError as error:
        return checks.failed("project", error)
    if config is None:
        return checks.Check("project", checks.OK, "none here; `buildbox init` writes a .buildbox.toml")
    return checks.project(config)
