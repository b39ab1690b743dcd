"""Writes docs/reference/; says which files changed."""

from __future__ import annotations

from pathlib import Path

from scripts.reference.pages import pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def write(folder: Path) -> list[str]:
    """Writes all pages into `folder`; gives the names of those that weren't so."""
    changed = []
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(name)
    return changed


if __name__ == "__main__":
    for each in write(FOLDER):
        print(f"wrote docs/reference/{each}")
