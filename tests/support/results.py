"""Results of steps that never ran, made of values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, keep_result
from buildbox.digest import Digest
from buildbox.frames import write_frame
from buildbox.oci import canonical
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry

NOW = 1_700_000_000.0
OUTPUTS: Mapping[str, bytes] = {
    "dist/thing-1.0.whl": b"a wheel" * 1000,
    "dist/run": b"#!/bin/sh\n",
    "dist/latest": b"thing-1.0.whl",
    "dist/empty": b"",
    "café/\u20ac " + "long" * 60: b"odd names",
}
WRITES: Sequence[tuple[int, bytes]] = ((1, b"one\n"), (2, b"\0two\xff"), (1, b"three"), (1, b"four\n"))


@dataclass
class Written:
    """An output that remembers what it was given."""

    writes: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.writes += [(stream, bytes(view)) for view in views]


def document(number: int = 0) -> tuple[Digest, bytes]:
    """A fingerprint and what it is the digest of."""
    data = canonical({"argv": ["make"], "number": number})
    return Digest.of(data), data


def write_outputs(folder: Path, outputs: Mapping[str, bytes] = OUTPUTS) -> list[Entry]:
    """Files of these contents: `run` is a program, `latest` a link, `empty` a folder."""
    entries = []
    for name, data in outputs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = {"run": PROGRAM, "latest": LINK, "empty": FOLDER}.get(path.name, FILE)
        if mode == FOLDER:
            path.mkdir()
            entries.append(Entry(name, FOLDER, "", 0))
            continue
        if mode == LINK:
            path.symlink_to(data.decode())
        else:
            path.write_bytes(data)
            path.chmod(0o755 if mode == PROGRAM else 0o600)
        entries.append(Entry(name, mode, hashlib.sha256(data).hexdigest(), len(data)))
    return entries


def write_log(path: Path, writes: Sequence[tuple[int, bytes]] = WRITES) -> Path:
    with path.open("wb") as file:
        for stream, data in writes:
            write_frame(file.write, stream, data)
    return path


def keep(
    archive: Archive,
    scratch: Path,
    number: int = 0,
    outputs: Mapping[str, bytes] = OUTPUTS,
    *,
    step: str = "build",
    now: float = NOW,
    **changes: Any,
) -> Result:
    """Keeps the result of the document `number`; `scratch` is a folder to make its outputs in."""
    folder = scratch / f"outputs-{number}-{len(list(scratch.iterdir()))}"
    folder.mkdir()
    fingerprint, data = document(number)
    given = {
        "entries": write_outputs(folder, outputs),
        "log": write_log(folder.with_suffix(".log")),
        "seconds": 1.5,
        **changes,
    }
    return keep_result(
        archive, fingerprint=fingerprint, document=data, step=step, folder=folder, now=now, **given
    )
