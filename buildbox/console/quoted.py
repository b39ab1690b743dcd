"""Our own words with what they quote: a name, say, that would act upon a terminal, or begin a line.

A CI system takes lines for commands that begin so, and a carriage return begins one there.
"""

from __future__ import annotations

from buildbox.errors import BuildboxError

_CONTROLS = {  # but for tabs, and the ends of our own lines
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
}


def harmless(text: str) -> str:
    """`text`, with control characters spelt out."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def hint_lines(error: BuildboxError) -> list[str]:
    """What to do about an error, a line each: they end where we ended them."""
    return [harmless(line) for line in error.hint.rstrip("\n").split("\n")] if error.hint else []
