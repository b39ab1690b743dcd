"""Rows laid out in columns."""

from __future__ import annotations

from collections.abc import Sequence

from texttable.width import width

GAP = "  "


def render(rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines; the first row is the heading. Columns of numbers are set flush right.

    Short rows are filled up with empty cells. No row gives no line.
    """
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    cells = [[*row, *[""] * (columns - len(row))] for row in rows]
    widths = [max(width(row[index]) for row in cells) for index in range(columns)]
    right = [_is_numeric([row[index] for row in cells[1:]]) for index in range(columns)]
    heading, *body = [_line(row, widths, right) for row in cells]
    rule = GAP.join("-" * size for size in widths)
    return "".join(f"{line}\n" for line in [heading, rule, *body])


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for cell, size, flush_right in zip(row, widths, right, strict=True):
        space = " " * (size - width(cell))
        parts.append(space + cell if flush_right else cell + space)
    return GAP.join(parts).rstrip()


def _is_numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_is_number(cell) for cell in filled)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
