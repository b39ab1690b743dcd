"""Notes on which projects pin what and when an image was last used, for `archive list` and `archive gc`.

On the way of every run: nothing but functions is here. See projects.py for what is made of them.

projects/HEX.json   {"root", "pins", "seen"}: a project's folder, the full names of its pinned images, and
                    about when (seconds) it last ran; HEX begins the sha256 of the folder's real path
used/HEX            empty; its mtime says to a day when the image with this digest was last used
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from buildbox.archive import files
from buildbox.archive.images import full_name
from buildbox.digest import Digest
from buildbox.reference import ImageRef

_DAY = 86400.0  # seconds for which a note is recent enough


def note_project(data: Path, root: Path, images: Iterable[ImageRef], now: float) -> None:
    """Notes what the project in `root` (a real path) pins, unless that is known. `data` is buildbox's folder.

    On the way of every run: one small file is read. Raises ArchiveError.
    """
    pins = pins_of(images)
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


def pins_of(images: Iterable[ImageRef]) -> list[str]:
    """The full names of those of `images` that are pinned."""
    return sorted({full_name(image, image.digest) for image in images if image.digest})
