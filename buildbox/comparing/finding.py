"""What differs between two files, as values and in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

CONTENT = "content"
MISSING = "missing"  # the right one lacks a member
ADDED = "added"  # the left one lacks a member
TYPE = "type"  # a file here, a link or folder there
MTIME = "mtime"
MODE = "mode"
OWNER = "owner"
ORDER = "order"  # the same members, in another order
COMPRESSION = "compression"  # the same bytes, compressed otherwise
FORM = "form"  # an archive's own headers, comments, padding
UNREAD = "unread"  # not a difference: what couldn't be looked into, and why


@dataclass(frozen=True)
class Finding:
    """One difference. Of two values in `text` ("A instead of B") the second is the left file's."""

    path: tuple[str, ...]  # the file, then the member in it, then the member in that
    kind: str  # CONTENT, ... UNREAD
    text: str  # in words, on one line, printable
    more: int = 0  # other members of the same archive that differ in the same kind

    @property
    def line(self) -> str:
        """All of it for people."""
        rest = f" (and {self.more} more member{'s' * (self.more > 1)})" if self.more else ""
        return f"{': '.join(map(printable, self.path))}: {self.text}{rest}"


def printable(text: str) -> str:
    """`text` on one line and without what a terminal would take for commands."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shortened(text: str, most: int) -> str:
    """`text`, cut off behind `most` characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def date(seconds: float) -> str:
    """A time (seconds since the epoch) in UTC, as exact as it is; the number where it can't be one."""
    try:
        whole = datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds}"
    return whole + (f"{seconds % 1:.9f}"[1:].rstrip("0") if seconds % 1 else "")
