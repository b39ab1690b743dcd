"""A graph in the languages of other programs, mermaid and dot. Arrows go from a need to its user."""

from __future__ import annotations

from buildbox.tasks.drawing.graph import Graph

_MERMAID = {'"': "#quot;", "#": "#35;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;"}


def mermaid(graph: Graph) -> list[str]:
    """A flowchart for mermaid, whose names of nodes are numbers: labels may hold anything."""
    numbers = {name: f"t{number}" for number, name in enumerate(graph)}
    lines = ["flowchart LR"]
    for name, node in graph.items():
        label = "".join(_MERMAID.get(char, char) for char in node.label)
        opening, closing = ("[[", "]]") if node.hermetic else ("[", "]")
        lines.append(f'    {numbers[name]}{opening}"{label}"{closing}')
    lines += [
        f"    {numbers[need]} --> {numbers[name]}" for name, node in graph.items() for need in node.needs
    ]
    return lines


def dot(graph: Graph) -> list[str]:
    """A digraph for graphviz."""
    lines = [
        "digraph tasks {",
        "    rankdir=LR;",
        "    node [shape=box, style=rounded];",
    ]
    for name, node in graph.items():
        attributes = f"label={_quoted(node.label)}" + (", peripheries=2" if node.hermetic else "")
        lines.append(f"    {_quoted(name)} [{attributes}];")
    lines += [
        f"    {_quoted(need)} -> {_quoted(name)};" for name, node in graph.items() for need in node.needs
    ]
    return [*lines, "}"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
