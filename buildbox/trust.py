"""What a project may have: nothing outside its own folder but what the user allows (SPEC section 2, Trust)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from buildbox.config.model import Task
from buildbox.config.user import Allowance


@dataclass(frozen=True)
class ResolvedMount:
    """A mount that may be made."""

    source: Path  # absolute, no link in it
    target: str
    read_only: bool


def check_task(
    task: Task, root: Path, allowance: Allowance, engine_sockets: Collection[Path], user_config: Path
) -> tuple[ResolvedMount, ...]:
    """The task's mounts with their real sources.

    Raises NotAllowed with everything that the task wants and `allowance` doesn't give;
    ConfigError where a mount's source or the workdir doesn't exist or isn't of the right kind.
    """
    raise NotImplementedError
