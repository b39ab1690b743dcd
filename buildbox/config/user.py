"""The user's own `config.toml`: what the projects on this machine are allowed (SPEC section 2, Trust)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Allowance:
    """What the user lets one project have beyond the project's own folder."""

    mounts: tuple[Path, ...] = ()  # real paths; each stands for itself and all below it
    networks: frozenset[str] = frozenset()  # names of engine networks; "host" is the host's own
    root: bool = False  # may run as root in a writable root file system
    git: bool = False  # may mount parts of the project's .git folder by name

    def plus(self, texts: Sequence[str], home: Path | None = None) -> Allowance:
        """This and what the `--allow` options `texts` give (`mount=/data`, `network=host`, `root`, `git`).

        `home` stands in for a leading `~/`. Raises UsageError.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class UserConfig:
    """The user's config.toml."""

    path: Path
    allowances: Mapping[Path, Allowance]  # by the project's folder, a real path

    def allowance(self, project_root: Path) -> Allowance:
        """What is allowed to the project in exactly this folder, links followed."""
        raise NotImplementedError


def load_user(path: Path, home: Path) -> UserConfig:
    """The user's configuration; an empty one where there is no file. Raises ConfigError."""
    raise NotImplementedError
