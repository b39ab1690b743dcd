"""What a project's folder has in it, as far as `init` asks: names, and the texts that say how to build."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DEPTH = 4  # folders below the project's that are looked into
_MOST_FILES = 20_000
_MOST_BYTES = 1 << 20  # of a text
_SKIPPED = frozenset(  # what tools fill, not people
    {"__pycache__", "build", "dist", "env", "node_modules", "target", "third_party", "vendor", "venv"}
)
_ALSO = (
    "vendor/modules.txt",
    ".cargo/config.toml",
    ".cargo/config",
)  # known places in folders that are skipped
_TEXTS = re.compile(
    r"pyproject\.toml|setup\.(py|cfg)|[a-z-]*requirements[a-z-]*\.txt"
    r"|package\.json|\.yarnrc\.yml|go\.mod|vendor/modules\.txt|Cargo\.(toml|lock)|\.cargo/config(\.toml)?"
    r"|CMakeLists\.txt|GNUmakefile|[Mm]akefile|pom\.xml|build\.gradle(\.kts)?"
)


@dataclass(frozen=True)
class Folder:
    """A project's folder."""

    files: frozenset[str]  # paths relative to it, with `/`
    texts: Mapping[str, str]  # of those files that say how to build

    def first(self, *names: str) -> str | None:
        """The first of `names` that is there."""
        return next((name for name in names if name in self.files), None)

    def text(self, name: str) -> str:
        """The text of a file; empty where it isn't there or isn't kept."""
        return self.texts.get(name, "")

    def any(self, pattern: str) -> bool:
        """Whether a path matches the regular expression `pattern` as a whole."""
        wanted = re.compile(pattern)
        return any(wanted.fullmatch(path) for path in self.files)


def look_at(root: Path) -> Folder:
    """The folder at `root`. What can't be read counts as not there; links aren't followed."""
    files: set[str] = set()
    for place, folders, names in os.walk(root):
        below = Path(place).relative_to(root)
        folders[:] = sorted(
            name
            for name in folders
            if len(below.parts) < _DEPTH and name not in _SKIPPED and not name.startswith(".")
        )
        files.update((below / name).as_posix() for name in names)
        if len(files) > _MOST_FILES:
            break
    files.update(name for name in _ALSO if (root / name).is_file())
    texts = {name: _read(root / name) for name in files if _TEXTS.fullmatch(name)}
    return Folder(frozenset(files), {name: text for name, text in texts.items() if text is not None})


def _read(path: Path) -> str | None:
    """The start of a regular file that is no link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            return file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
