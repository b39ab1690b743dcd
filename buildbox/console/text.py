"""Output and messages as plain text that can't do anything to a terminal, a file of XML or a page."""

from __future__ import annotations

import re

ESCAPES = re.compile(
    r"""\x1b(?:
        \[[0-?]*[ -/]*[@-~]?         # control sequences (ECMA-48, 5.4): colours, cursor
      | [\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?  # command strings (ECMA-48, 5.6): titles, links
      | [ -/]*[0-~]?                 # other escapes
    )""",
    re.VERBOSE,
)


def printable(text: str) -> str:
    """One line: printable characters only, with spaces for what separates them."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "" for character in text
    )


def as_text(output: bytes) -> str:
    """What `output` shows, as lines of printable characters: no colours, nothing drawn over, no bytes of
    what isn't UTF-8."""
    return "\n".join(_shown(line) for line in output.decode(errors="replace").split("\n"))


def last_lines(output: bytes, count: int, size: int) -> str:
    """The last `count` lines of what `output` shows, of at most `size` characters; no empty ones at the end.

    Where there was more, a first line says so.
    """
    text = as_text(output).rstrip()
    end = "\n".join(text.split("\n")[-count:])[-size:]
    return end if len(end) == len(text) else f"[…]\n{end}"


def _shown(line: str) -> str:
    drawn_last = line.rstrip("\r").rpartition("\r")[2]
    return printable(ESCAPES.sub("", drawn_last).expandtabs())
