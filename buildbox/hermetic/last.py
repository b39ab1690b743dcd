"""What each step's last result depended on, kept in the project: `.buildbox/state/last/<step>.json`.

For people only: `run --dry-run -v` tells with it what has changed since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.hermetic.weighing import Weighed
from buildbox.logs import file_name
from buildbox.oci import canonical
from buildbox.trees.entry import Entry
from buildbox.trees.faults import shown
from buildbox.workspace import STATE, own_folder

_MOST = 20_000  # inputs that are noted by name


@dataclass(frozen=True)
class Last:
    """What a step's last result depended on."""

    document: Mapping[str, Any]
    inputs: Mapping[str, str] | None  # path -> mode and digest; None: too many were there


def note_last(root: Path, step: str, weighed: Weighed) -> None:
    """Notes that the last result of `step` depended on this. What can't be noted is no fault."""
    path = _path(root, step)
    if path is None:
        return
    digest = weighed.fingerprint.hex.encode()
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(digest)) == digest:
            return
    inputs = _inputs(weighed.inputs.entries()) if weighed.inputs.count <= _MOST else None
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        beside.write_bytes(digest + b"\n" + canonical({"document": weighed.document, "inputs": inputs}))
        beside.replace(path)


def read_last(root: Path, step: str) -> Last | None:
    """What the last result of `step` depended on; None where nothing readable is noted."""
    path = _path(root, step)
    try:
        found = json.loads(path.read_bytes().partition(b"\n")[2]) if path else None
        return Last(found["document"], found["inputs"]) if found else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def changed_inputs(last: Last, weighed: Weighed) -> list[str]:
    """The inputs that aren't what they were: `src/a.py changed`; nothing where that isn't known."""
    if last.inputs is None or weighed.inputs.count > _MOST:
        return []
    now = _inputs(weighed.inputs.entries())
    words = []
    for path in sorted(last.inputs.keys() | now.keys()):
        before, after = last.inputs.get(path), now.get(path)
        if before != after:
            word = "is new" if before is None else "is gone" if after is None else "changed"
            words.append(f"{shown(path)} {word}")
    return words


def _inputs(entries: Sequence[Entry]) -> dict[str, str]:
    return {entry.path: f"{entry.mode:o} {entry.digest[:16]}" for entry in entries}


def _path(root: Path, step: str) -> Path | None:
    folder = own_folder(root, STATE, "last")
    return folder / f"{file_name(step).removesuffix('.log')}.json" if folder else None
