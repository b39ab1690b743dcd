"""All pages of the reference, by the names of their files."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.reference.commands import commands
from scripts.reference.config import config
from scripts.reference.statuses import statuses

_MADE = "<!-- Made by `python -m scripts.reference`; changes here are lost. -->\n\n"


def pages() -> Mapping[str, str]:
    """File name -> Markdown."""
    made = {"commands.md": commands(), "config.md": config(), "exit-status.md": statuses()}
    return {name: f"{_MADE}{text}" for name, text in made.items()}
