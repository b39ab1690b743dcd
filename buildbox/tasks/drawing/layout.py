"""Where boxes and arrows go: a layered layout, each box in a column right of all that it needs.

Sugiyama's way (Sugiyama, Tagawa, Toda 1981): columns by the longest way, long arrows through a dummy in each
column that they pass, an order in each column that crosses few of them, then places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from buildbox.tasks.drawing.graph import Graph

_SWEEPS = 8
_MOST_DUMMIES = 20_000  # beyond that, arrows go straight: nobody follows that many anyway

Spot = tuple[str, ...]  # a node's name, or what its arrow passes: (from, to, column)


@dataclass(frozen=True)
class Layout:
    """A layout in steps: columns from the left, rows from the top; rows may be halves."""

    columns: tuple[tuple[str, ...], ...]  # names of nodes, from the top
    rows: Mapping[str, float]  # of each node
    arrows: tuple[tuple[tuple[int, float], ...], ...]  # of each its (column, row)s, from end to end


def lay_out(graph: Graph) -> Layout:
    """The layout of a graph; the same for the same graph."""
    column: dict[str, int] = {}
    for name, node in graph.items():
        column[name] = 1 + max((column[need] for need in node.needs), default=-1)
    ways = _ways(graph, column)
    columns: list[list[Spot]] = [[] for _ in range(1 + max(column.values(), default=-1))]
    for name in graph:
        columns[column[name]].append((name,))
    before: dict[Spot, list[Spot]] = {}
    behind: dict[Spot, list[Spot]] = {}
    for way in ways:
        for offset, spot in enumerate(way[1:-1], column[way[0][0]] + 1):
            columns[offset].append(spot)
        for left, right in pairwise(way):
            before.setdefault(right, []).append(left)
            behind.setdefault(left, []).append(right)
    _uncross(columns, before, behind)
    rows = _rows(columns, before, behind)
    return Layout(
        tuple(tuple(spot[0] for spot in spots if len(spot) == 1) for spots in columns),
        {spot[0]: row for spot, row in rows.items() if len(spot) == 1},
        tuple(
            tuple((at, rows[spot]) for at, spot in enumerate(way, column[way[0][0]]))
            if len(way) > 2
            else tuple((column[spot[0]], rows[spot]) for spot in way)
            for way in ways
        ),
    )


def _ways(graph: Graph, column: Mapping[str, int]) -> list[list[Spot]]:
    """Each arrow as the spots that it passes."""
    left = _MOST_DUMMIES
    ways: list[list[Spot]] = []
    for name, node in graph.items():
        for need in node.needs:
            between = range(column[need] + 1, column[name])
            left -= len(between)
            dummies: list[Spot] = [(need, name, str(at)) for at in between] if left >= 0 else []
            ways.append([(need,), *dummies, (name,)])
    return ways


def _uncross(
    columns: list[list[Spot]], before: Mapping[Spot, Sequence[Spot]], behind: Mapping[Spot, Sequence[Spot]]
) -> None:
    """Sorts each column by where its neighbours stand in the one before, then the one behind, some times."""
    place = {spot: float(index) for spots in columns for index, spot in enumerate(spots)}
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        neighbours = before if forth else behind
        for spots in columns if forth else reversed(columns):
            wanted = {
                spot: sum(place[other] for other in near) / len(near) if near else place[spot]
                for spot in spots
                for near in (neighbours.get(spot, ()),)
            }
            spots.sort(key=lambda spot: wanted[spot])
            place.update((spot, float(index)) for index, spot in enumerate(spots))


def _rows(
    columns: list[list[Spot]], before: Mapping[Spot, Sequence[Spot]], behind: Mapping[Spot, Sequence[Spot]]
) -> dict[Spot, float]:
    """A row for each spot: near its neighbours, in the column's order, at least one below the last."""
    rows = {spot: float(index) for spots in columns for index, spot in enumerate(spots)}
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else behind
        for spots in columns if sweep % 2 == 0 else reversed(columns):
            _settle(spots, rows, neighbours)
    top = min(rows.values(), default=0.0)
    return {spot: row - top for spot, row in rows.items()}


def _settle(spots: list[Spot], rows: dict[Spot, float], neighbours: Mapping[Spot, Sequence[Spot]]) -> None:
    """Moves a column's spots towards the middle of their neighbours: blocks that touch move as one."""
    blocks: list[tuple[float, list[Spot]]] = []  # the row of the first, and all
    for spot in spots:
        near = neighbours.get(spot, ())
        wish = sum(rows[other] for other in near) / len(near) if near else rows[spot]
        first, members = wish, [spot]
        while blocks and blocks[-1][0] + len(blocks[-1][1]) > first:
            above, others = blocks.pop()
            # The mean of what both want, each by as many as it has.
            first = (above * len(others) + (first - len(others)) * len(members)) / (
                len(others) + len(members)
            )
            members = [*others, *members]
        blocks.append((first, members))
    for first, members in blocks:
        for index, spot in enumerate(members):
            rows[spot] = first + index
