"""A new file: there as a whole or not at all, and never in the place of another."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from buildbox.errors import ConfigError


def create_file(path: Path, text: str) -> bool:
    """Makes the file `path`; False, and nothing done, where that name is taken. Raises ConfigError."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(aside, "xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            return _name(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error.strerror}", "`buildbox init --print` shows what would be in it."
        ) from None


def _name(aside: Path, path: Path) -> bool:
    """Gives the file its name. A hard link, unlike a rename, never replaces what is there."""
    try:
        os.link(aside, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        aside.rename(path)
    return True
