"""The mounts of this process's file system, as the kernel lists them (proc(5), /proc/self/mountinfo)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """One line of it."""

    point: Path  # a real path
    kind: str  # the type of the file system


def parse_mounts(text: str) -> Iterator[Mount]:
    """The mounts, in the kernel's order: of two at one place the later one is seen.

    The mount point is a line's fifth field, with octal escapes, the type the first one behind the hyphen.
    """
    for line in text.splitlines():
        fields = line.split(" ")
        if "-" in fields[6:]:
            kind = fields[fields.index("-", 6) + 1 :][:1]
            yield Mount(Path(_unescaped(fields[4])), "".join(kind))


def _unescaped(text: str) -> str:
    for code in (" ", "\t", "\n", "\\"):
        text = text.replace(f"\\{ord(code):03o}", code)
    return text
