"""Files without a name, for what is too much for memory."""

from __future__ import annotations

import os
from pathlib import Path


def open_spool(folder: Path | int) -> int:
    """A new file in `folder` (or in the folder that is open as that descriptor), gone when it is closed.

    Raises OSError.
    """
    name = f".spool-{os.urandom(6).hex()}"
    at, path = (folder, name) if isinstance(folder, int) else (None, str(folder / name))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=at)
    os.unlink(path, dir_fd=at)
    return descriptor
