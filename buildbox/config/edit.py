"""Edits of a `.buildbox.toml` that keep its author's text.

A pin is spliced in where the old one stands, so that every other byte (comments, line ends, the way
a table is written) stays; the result is read again and must differ in the pins alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from buildbox.config.load import inside
from buildbox.config.model import FILE_NAME
from buildbox.config.text import parse_toml
from buildbox.errors import ConfigError
from buildbox.reference import ImageRef

_QUOTES = ('"""', "'''", '"', "'")


def pin_images(text: str, images: Mapping[tuple[str, str], str]) -> str:
    """`text` with `SECTION.NAME.image` set for each key of `images`, all else byte for byte the same.

    Raises ConfigError where `text` isn't TOML or has no such toolchain or service with an image of its own,
    ValueError where an image isn't a reference.
    """
    from buildbox.config.places import find_places

    wanted = parse_toml(text, Path(FILE_NAME), FILE_NAME)
    places = find_places(text)
    spots = []
    for (section, name), image in images.items():
        place = places.get((section, name, "image"))
        old = text[place.start : place.end] if place else ""
        quote = next((quote for quote in _QUOTES if old.startswith(quote)), None)
        if place is None or quote is None:
            raise ConfigError(f"{section}.{name} has no image to pin", 'Add one: image = "NAME:TAG".')
        spots.append((place, f"{quote}{ImageRef.parse(image)}{quote}"))
        wanted[section][name]["image"] = image
    # From the end, so that the offsets of what stands before remain right.
    for place, new in sorted(spots, key=lambda spot: spot[0].start, reverse=True):
        text = text[: place.start] + new + text[place.end :]
    if parse_toml(text, Path(FILE_NAME), FILE_NAME) != wanted:
        raise AssertionError("an edit of the configuration changed more than the pins")
    return text


def write_file(path: Path, text: str) -> None:
    """Puts `text` into the file `path`, wholly or not at all, keeping its mode and owner.

    A link is followed within the file's folder. Raises ConfigError.
    """
    real = inside(path)
    aside = real.with_name(f"{real.name}.{secrets.token_hex(4)}.tmp")
    try:
        # Not tempfile: a new file is to get the mode that the caller's umask gives.
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with open(handle, "wb") as file:
                file.write(text.encode())
                _keep_rights(handle, real)
                file.flush()
                os.fsync(handle)
            aside.replace(real)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", "It is as it was.") from None
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep_rights(handle: int, path: Path) -> None:
    """Gives the open file the mode and, where that is allowed, the owner that `path` has."""
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    new = os.fstat(handle)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
