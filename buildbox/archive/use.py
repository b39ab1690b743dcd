"""Which projects pin what, and when an image was last used: what `archive list` shows and `archive gc` heeds.

projects/HEX.json   {"root", "pins", "seen"}: a project's folder, the full names of its pinned images, and
                    about when (seconds) it last ran; HEX begins the sha256 of the folder's real path
used/HEX            empty; its mtime says to a day when the image with this digest was last used
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive import files
from buildbox.archive.images import full_name
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ConfigError
from buildbox.reference import ImageRef

_DAY = 86400.0  # seconds for which a note is recent enough


@dataclass(frozen=True)
class KnownProject:
    """A project that has run on this machine."""

    root: Path
    pins: tuple[str, ...]  # what its file says now; where that can't be read, what it said when it last ran
    seen: float  # seconds since the epoch
    gone: bool  # its folder isn't there any more
    record: Path

    @property
    def digests(self) -> frozenset[Digest]:
        """What it needs: nothing any more where it is gone."""
        pins = () if self.gone else self.pins
        return frozenset(Digest.parse(pin.rpartition("@")[2]) for pin in pins)


def note_project(data: Path, root: Path, images: Iterable[ImageRef], now: float) -> None:
    """Notes what the project in `root` (a real path) pins, unless that is known. `data` is buildbox's folder.

    On the way of every run: one small file is read. Raises ArchiveError.
    """
    pins = _pins(images)
    path = f"{data}/projects/{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json"
    try:
        with open(path, "rb") as file:
            known = json.loads(file.read())
        if known["pins"] == pins and known["root"] == str(root) and abs(now - known["seen"]) < _DAY:
            return
    except (OSError, ValueError, LookupError, TypeError):
        pass  # written anew
    text = json.dumps({"root": str(root), "pins": pins, "seen": int(now)})
    with files.explained(data):
        (data / "projects").mkdir(parents=True, exist_ok=True)
    files.put(text.encode(), Path(path), data / "projects" / "new")


def note_used(data: Path, image: Digest, now: float) -> None:
    """Notes that the image of this pin is used. Raises ArchiveError."""
    path = data / "used" / image.hex
    try:
        if abs(now - path.stat().st_mtime) < _DAY:
            return
    except OSError:
        pass  # made now
    with files.explained(data):
        (data / "used").mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        os.utime(path, (now, now))


def last_used(data: Path, images: Iterable[Digest]) -> float | None:
    """When one of `images` was last used, in seconds since the epoch, to a day; None if never."""
    times = []
    for image in images:
        try:
            times.append((data / "used" / image.hex).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def known_projects(data: Path) -> tuple[KnownProject, ...]:
    """All projects that have run on this machine, their files read again. Raises ArchiveError.

    What a project whose file is missing or broken said last still counts: its folder is there.
    """
    with files.explained(data / "projects"):
        return tuple(_known(path) for path in sorted((data / "projects").glob("*.json")))


def forget(data: Path, projects: Iterable[KnownProject], images: Iterable[Digest]) -> None:
    """Removes the notes on `projects`, and on the use of all but `images`. Raises ArchiveError."""
    left = {image.hex for image in images}
    with files.explained(data):
        for project in projects:
            project.record.unlink(missing_ok=True)
        for path in (data / "used").glob("*"):
            if path.name not in left:
                path.unlink(missing_ok=True)


def _known(path: Path) -> KnownProject:
    try:
        value = json.loads(path.read_bytes())
        root, pins, seen = Path(value["root"]), tuple(map(str, value["pins"])), float(value["seen"])
        found = KnownProject(root, pins, seen, False, path)
        found.digests  # noqa: B018 - raises ValueError
    except (ValueError, LookupError, TypeError) as error:
        raise ArchiveError(
            f"the note on a project can't be read: {path}: {error}",
            "Remove it, and run something in that project: then it is written anew.",
        ) from None
    return _reread(found)


def _reread(known: KnownProject) -> KnownProject:
    from buildbox.config.load import load
    from buildbox.config.model import FILE_NAME

    try:
        known.root.stat()
    except (FileNotFoundError, NotADirectoryError):
        return KnownProject(known.root, known.pins, known.seen, True, known.record)
    except OSError:
        return known  # it may be there
    try:
        config = load(known.root / FILE_NAME)
    except (ConfigError, OSError):
        return known
    pins = tuple(_pins(toolchain.image for toolchain in config.toolchains.values()))
    return KnownProject(known.root, pins, known.seen, False, known.record)


def _pins(images: Iterable[ImageRef]) -> list[str]:
    return sorted(set(_pinned(images)))


def _pinned(images: Iterable[ImageRef]) -> Iterator[str]:
    for image in images:
        if image.digest is not None:
            yield full_name(image, image.digest)
