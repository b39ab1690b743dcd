"""What buildbox knows of the machine and the person it works for, taken once at the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """The caller's surroundings. Nothing below the command line asks the process for them again."""

    cwd: Path  # absolute
    env: Mapping[str, str]
    uid: int
    gid: int
    stdin_tty: bool
    stdout_tty: bool
    stderr_tty: bool
    now: float  # seconds since the epoch
    data: Path  # buildbox's own folder: archive/, runs/, files/
    user_config: Path  # the user's config.toml

    @property
    def in_ci(self) -> bool:
        """Whether a CI system says that it is one (`CI` set to anything but false)."""
        return self.env.get("CI", "").lower() not in ("", "0", "false")
