"""What buildbox knows of the machine and the person it works for, taken once at the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Set by CI systems whose logs have colours, and mostly groups, though no terminal is there.
_CI_LOGS = ("GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE")


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
    _taken: float = field(default_factory=time.monotonic, compare=False)  # on a clock that nobody sets

    def clock(self) -> float:
        """What the caller's clock shows by now, in seconds since the epoch."""
        return self.now + time.monotonic() - self._taken

    @property
    def in_ci(self) -> bool:
        """Whether a CI system says that it is one (`CI` set to anything but false)."""
        return self.env.get("CI", "").lower() not in ("", "0", "false")

    @property
    def github_page(self) -> str | None:
        """The file that GitHub Actions shows as the summary of the job that we run in."""
        return self.env.get("GITHUB_STEP_SUMMARY") if self.env.get("GITHUB_ACTIONS") == "true" else None

    @property
    def has_ci_log(self) -> bool:
        """Whether what buildbox says goes to a CI system's log that can show more than plain lines."""
        return any(self.env.get(name) for name in _CI_LOGS)
