"""What all that is made of recipes in one call of the command line shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.config.user import Allowance
from buildbox.host import Host
from buildbox.progress import Progress
from buildbox.recipes.tools import Tools


@dataclass(frozen=True)
class Workshop:
    """Where and with what images are made."""

    host: Host
    temp: Path  # has room for an unpacked image twice; nothing stays there
    archive: Archive
    tools: Tools
    progress: Progress
    offline: bool = False
    mirrors: tuple[str, ...] = ()  # addresses that are asked before those of the machine's apt
    allowance: Allowance = field(default_factory=Allowance)  # of the project that the recipes may be from
