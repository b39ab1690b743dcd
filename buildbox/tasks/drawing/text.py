"""A graph for a terminal: what nothing needs stands at the left, and below each what it needs."""

from __future__ import annotations

from collections import deque

from buildbox.tasks.drawing.graph import Graph

_DEEPEST = 24  # levels below each other; what is deeper begins again at the left


def draw(graph: Graph) -> list[str]:
    """The lines. A task that many need is taken apart once, and only named elsewhere."""
    needed = {need for node in graph.values() for need in node.needs}
    lines: list[str] = []
    shown: set[str] = set()
    left = deque(name for name in graph if name not in needed)
    while left:
        name = left.popleft()
        if name not in shown:
            _tree(graph, name, lines, shown, left)
    return lines


def _tree(graph: Graph, root: str, lines: list[str], shown: set[str], later: deque[str]) -> None:
    """The lines for `root` and what it needs. What is too deep goes to `later`."""
    # Of each: what stands before it, what stands before what it needs, and its level. A stack of our own: a
    # chain may be longer than Python's.
    stack = [(root, "", "", 0)]
    while stack:
        name, before, below, level = stack.pop()
        node = graph[name]
        if node.needs and name in shown:
            lines.append(f"{before}{node.label} (above)")
            continue
        if node.needs and level == _DEEPEST:
            lines.append(f"{before}{node.label} (below)")
            later.append(name)
            continue
        lines.append(f"{before}{node.label}")
        shown.add(name)
        last = len(node.needs) - 1
        for index in range(last, -1, -1):
            branch, rest = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
            stack.append((node.needs[index], below + branch, below + rest, level + 1))
