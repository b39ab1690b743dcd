"""A package's way into the archive and out of it again, its sha256 checked each time."""

from __future__ import annotations

from pathlib import Path

from buildbox.archive.layout import Archive, BlobDamaged
from buildbox.digest import CHUNK
from buildbox.recipes.lock import Package, Wheel


def copy_out(package: Package | Wheel, archive: Archive, folder: Path) -> bool:
    """Whether the archive has the package whole; a damaged copy counts as none and is replaced later."""
    if not archive.has(package.digest):
        return False
    try:
        with open(folder / package.file, "wb") as file:
            for chunk in archive.stream(package.digest):
                file.write(chunk)
    except BlobDamaged:
        (folder / package.file).unlink()
        return False
    return True


def take_in(package: Package | Wheel, archive: Archive, folder: Path) -> bool:
    """Whether it has been brought to `folder`; if so it is now in the archive, checked once more."""
    path = folder / package.file
    if not path.is_file():
        return False
    with open(path, "rb") as file, archive.ingest(package.digest, package.size) as writer:
        while chunk := file.read(CHUNK):
            writer.write(chunk)
    return True
