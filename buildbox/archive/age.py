"""How old an image is: by the date that its makers gave it, as far as the archive knows that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from buildbox.archive.images import choose, image_entries, read_manifest
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import MAX_MANIFEST, Descriptor, Manifest, Platform

# Dates up to here are those of tools that give every image the same one: 1970-01-01, 1980-01-01 (the first
# day of a zip file) and what lies around them in other time zones.
_NO_DATE = datetime(1981, 1, 1, tzinfo=timezone.utc).timestamp()


def made_at(archive: Archive, pin: Digest, platform: Platform | None) -> float | None:
    """When the pinned image was made, in seconds since the epoch: `created` of its configuration (config.md).

    Of an index it is that of the image for `platform`, or of the newest that the archive has. None where the
    archive has none, or it has no date that means anything. Raises nothing.
    """
    dates = (_created(archive, manifest) for manifest in _manifests(archive, pin, platform))
    return max((date for date in dates if date is not None), default=None)


def _manifests(archive: Archive, pin: Digest, platform: Platform | None) -> Iterator[Manifest]:
    try:
        top = read_manifest(archive.read(pin, MAX_MANIFEST), pin)
        if isinstance(top, Manifest):
            yield top
            return
        entries = (choose(top, platform, pin),) if platform else image_entries(top)
    except (ArchiveError, ImageError):
        return
    for entry in entries:
        found = _manifest(archive, entry)
        if found:
            yield found


def _manifest(archive: Archive, entry: Descriptor) -> Manifest | None:
    try:
        found = read_manifest(archive.read(entry, MAX_MANIFEST), entry.digest)
    except (ArchiveError, ImageError):
        return None
    return found if isinstance(found, Manifest) else None


def _created(archive: Archive, manifest: Manifest) -> float | None:
    try:
        value: Any = json.loads(archive.read(manifest.config, MAX_MANIFEST))
        text = value["created"]
        # RFC 3339, with up to nine digits behind the second, which fromisoformat
        # doesn't read; a few hours of another time zone don't count.
        date = datetime.strptime(f"{text[:19]}+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (ArchiveError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return date if date >= _NO_DATE else None
