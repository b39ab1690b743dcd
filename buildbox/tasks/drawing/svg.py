"""A graph as one SVG file that needs nothing else: no script, no font, no style from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from buildbox.tasks.drawing.graph import Graph, Node
from buildbox.tasks.drawing.layout import lay_out

_CHAR = 7.8  # the width of a letter of the font, which is a monospace one of 13 px
_HEIGHT, _ROW, _GAP, _PAD, _MARGIN = 28, 44, 64, 12, 16  # pixels
_STYLE = (
    "text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}"
    "rect{fill:#f6f8fa;stroke:#8c959f}rect.hermetic{fill:#ddf4ff;stroke:#0969da}"
    "path.arrow{fill:none;stroke:#8c959f;stroke-width:1.2}path.head{fill:#8c959f}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#161b22;stroke:#6e7681}"
    "rect.hermetic{fill:#0c2d6b;stroke:#58a6ff}path.arrow{stroke:#6e7681}path.head{fill:#6e7681}}"
)


def svg(graph: Graph, title: str) -> list[str]:
    """The lines of the file. What a hermetic task is has a colour of its own."""
    layout = lay_out(graph)
    lefts, widths = [], []
    left = float(_MARGIN)
    for names in layout.columns:
        width = max((_width(graph[name]) for name in names), default=0.0)
        lefts.append(left)
        widths.append(width)
        left += width + _GAP
    right = left - _GAP + _MARGIN if layout.columns else 2.0 * _MARGIN
    bottom = 2 * _MARGIN + _HEIGHT + _ROW * max(layout.rows.values(), default=0.0)
    bottom = max([bottom, *(2 * _MARGIN + _HEIGHT + _ROW * row for way in layout.arrows for _, row in way)])
    size = f'width="{right:.0f}" height="{bottom:.0f}" viewBox="0 0 {right:.0f} {bottom:.0f}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{_text(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"',
        'orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    for way in layout.arrows:
        points = []
        for place, (column, row) in enumerate(way):
            y = _MARGIN + _HEIGHT / 2 + _ROW * row
            if place:
                points.append((lefts[column], y))
            if place < len(way) - 1:
                points.append((lefts[column] + widths[column], y))
        lines.append(f'<path class="arrow" marker-end="url(#head)" d="{_curve(points)}"/>')
    for column, names in enumerate(layout.columns):
        lines += [
            line for name in names for line in _box(graph[name], lefts[column], widths[column], layout.rows)
        ]
    return [*lines, "</svg>"]


def _width(node: Node) -> float:
    return len(node.label) * _CHAR + 2 * _PAD


def _box(node: Node, left: float, width: float, rows: Mapping[str, float]) -> list[str]:
    top = _MARGIN + _ROW * rows[node.name]
    kind = ' class="hermetic"' if node.hermetic else ""
    told = f"<title>{_text(node.description)}</title>" if node.description else ""
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_HEIGHT}"'
    middle = f'x="{left + width / 2:.1f}" y="{top + _HEIGHT / 2:.1f}"'
    return [
        f'<g>{told}<rect{kind} {place} rx="6"/>',
        f'<text {middle} text-anchor="middle" dominant-baseline="central">{_text(node.label)}</text></g>',
    ]


def _curve(points: list[tuple[float, float]]) -> str:
    """A smooth line through pairs of points: bent between columns, straight within one."""
    (x, y), *others = points
    text = f"M{x:.1f} {y:.1f}"
    for index, (to_x, to_y) in enumerate(others):
        if index % 2:
            text += f"L{to_x:.1f} {to_y:.1f}"
        else:
            bend = (to_x - x) / 2
            text += f"C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    return text


def _text(text: str) -> str:
    """For XML, which has no place for some characters at all (XML 1.0, section 2.2)."""
    return escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))
