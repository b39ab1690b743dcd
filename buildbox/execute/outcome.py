"""What happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildbox.engine.protocol import Ended


@dataclass(frozen=True)
class Outcome:
    """What happened to a step."""

    status: int  # buildbox's exit status for it: the task's own, but for a timeout or a kill
    seconds: float  # from start to end
    ended: Ended | None = None  # None: it never started
    timed_out: bool = False
    signal: int = 0  # the first that asked us to stop it
