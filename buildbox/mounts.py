"""The mounts of this process's file system, as the kernel lists them (proc(5), /proc/self/mountinfo)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """One line of it."""

    point: Path  # a real path
    kind: str  # the type of the file system
    root: str = "/"  # what of that file system is seen there


def mounts_here() -> tuple[Mount, ...]:
    """Those of this process; none where the kernel doesn't list them."""
    try:
        return tuple(parse_mounts(os.fsdecode(_MOUNTINFO.read_bytes())))
    except OSError:
        return ()


def parse_mounts(text: str) -> Iterator[Mount]:
    """The mounts, in the kernel's order: of two at one place the later one is seen.

    The root is a line's fourth field, the mount point the fifth, both with octal escapes; the type is the
    first one behind the hyphen.
    """
    for line in text.splitlines():
        fields = line.split(" ")
        if "-" in fields[6:]:
            kind = fields[fields.index("-", 6) + 1 :][:1]
            yield Mount(Path(_unescaped(fields[4])), "".join(kind), _unescaped(fields[3]))


def _unescaped(text: str) -> str:
    for code in (" ", "\t", "\n", "\\"):
        text = text.replace(f"\\{ord(code):03o}", code)
    return text
