"""The projects of this machine that are known, from the notes in use.py, and what each pins now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.archive import files
from buildbox.archive.use import pins_of
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ConfigError


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
        return replace(known, gone=True)
    except OSError:
        return known  # it may be there
    try:
        config = load(known.root / FILE_NAME)
    except (ConfigError, OSError):
        return known
    pins = tuple(pins_of(pinned.image for pinned in config.images()))
    return replace(known, pins=pins)
