"""What a recipe was built to, as `recipe.pin` beside its lock says: for `images check`, and for people."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from buildbox.config.edit import write_file
from buildbox.digest import Digest
from buildbox.recipes.lock import Lock
from buildbox.reference import ImageRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECORD = "recipe.pin"
FORMAT = 1
_HEAD = "# Made by `buildbox images build {recipe} --record`.\n"


@dataclass(frozen=True)
class Built:
    """An image by all its digests, so that without it one can tell how a rebuild differs."""

    pin: ImageRef  # buildbox/NAME:VERSION@DIGEST, of the index
    platform: str  # "linux/amd64"
    manifest: Digest
    config: Digest
    diff_ids: tuple[Digest, ...]  # of the layers before compression, lowest first
    size: int  # bytes of the layers, compressed
    lock: Digest | None = None  # checksum of the lock that it was made from; None for a Dockerfile's


def recorded(folder: Path) -> Built | None:
    """What the recipe in `folder` was built to; None where nothing readable is recorded."""
    try:
        value = tomllib.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Built(
            ImageRef.parse(value["pin"]),
            str(value["platform"]),
            Digest.parse(value["manifest"]),
            Digest.parse(value["config"]),
            tuple(Digest.parse(each) for each in value["diff-ids"]),
            int(value["size"]),
            Digest.parse(value["lock"]) if "lock" in value else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(folder: Path, built: Built) -> None:
    """Writes down what the recipe in `folder` was built to, beside its lock. Raises ConfigError."""
    diff_ids = ", ".join(f'"{each}"' for each in built.diff_ids)
    text = (
        _HEAD.format(recipe=f"{folder.parent.name}/{folder.name}")
        + f"""
format = {FORMAT}
pin = "{built.pin}"
platform = "{built.platform}"
manifest = "{built.manifest}"
config = "{built.config}"
diff-ids = [{diff_ids}]
size = {built.size}
"""
    )
    if built.lock:
        text += f'lock = "{built.lock}"\n'
    write_file(folder / RECORD, text)


def recorded_for(folder: Path, lock: Lock) -> Built | None:
    """What the recipe in `folder` was built to from this very `lock`; None where that isn't recorded."""
    built = recorded(folder)
    return built if built and built.lock == lock.checksum else None


def recorded_pin(folder: Path) -> ImageRef | None:
    """The pin of the image that the recipe in `folder` was built to; None where nothing is recorded."""
    built = recorded(folder)
    return built.pin if built else None
