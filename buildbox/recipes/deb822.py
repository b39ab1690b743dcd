"""Debian's control data, read (deb822(5)); only what apt, dpkg and mirrors write is read here."""

from __future__ import annotations

from collections.abc import Iterator


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of `text`, field names in lower case; folded lines are joined by newlines."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.strip()
        elif not line.startswith("#"):
            name, colon, value = line.partition(":")
            if colon:
                name = name.lower()
                fields[name] = value.strip()
    if fields:
        yield fields
