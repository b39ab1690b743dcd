"""`.buildbox.toml` -> Config."""

from __future__ import annotations

from pathlib import Path

from buildbox.config.model import Config


def load(path: Path) -> Config:
    """The configuration in the file `path`. Raises ConfigError with every problem of the file."""
    raise NotImplementedError
