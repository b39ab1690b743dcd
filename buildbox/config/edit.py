"""Edits of a `.buildbox.toml` that keep its author's text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def pin_images(text: str, images: Mapping[str, str]) -> str:
    """`text` with `toolchains.NAME.image` set for each NAME in `images`, all else byte for byte the same."""
    raise NotImplementedError


def write_file(path: Path, text: str) -> None:
    """Puts `text` into the file `path`, wholly or not at all, keeping its mode."""
    raise NotImplementedError
