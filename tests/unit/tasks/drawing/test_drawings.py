"""Drawings for other programs: what is in them, that no name breaks them, that they stay the same."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.tasks.drawing.graph import Graph, Node
from buildbox.tasks.drawing.languages import dot, mermaid
from buildbox.tasks.drawing.layout import lay_out
from buildbox.tasks.drawing.svg import svg
from tests.unit.tasks.drawing.test_text import graph

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 't[A="]-->x;<script>alert(1)</script>&amp;\\"`#quot;\u202e]'


def node(name: str, *needs: str, description: str = "", hermetic: bool = False) -> Node:
    return Node(name, name, needs, description, hermetic)


def diamond() -> Graph:
    return graph(fetch="", build="fetch", lint="fetch", package="build lint")


def parsed(drawn: list[str]) -> ElementTree.Element:
    return ElementTree.fromstring("\n".join(drawn))


def test_mermaid() -> None:
    assert mermaid({"a": node("a", hermetic=True), "b": node("b", "a")}) == [
        "flowchart LR",
        '    t0[["a"]]',
        '    t1["b"]',
        "    t0 --> t1",
    ]


def test_dot() -> None:
    assert dot({"a": node("a", hermetic=True), "b": node("b", "a")}) == [
        "digraph tasks {",
        "    rankdir=LR;",
        "    node [shape=box, style=rounded];",
        '    "a" [label="a", peripheries=2];',
        '    "b" [label="b"];',
        '    "a" -> "b";',
        "}",
    ]


def test_nothing_in_a_name_breaks_out_of_its_label() -> None:
    drawn = {HOSTILE: node(HOSTILE, description="</title>&"), "b": node("b", HOSTILE)}
    label = mermaid(drawn)[1].removeprefix('    t0["').removesuffix('"]')
    assert not set('"<>&`\\') & set(label)
    assert re.sub(r"#(quot|amp|lt|gt|\d+);", "", label).count("#") == 0
    quoted = dot(drawn)[3].strip()
    assert re.fullmatch(r'"((?:[^"\\]|\\.)*)" \[label="((?:[^"\\]|\\.)*)"\];', quoted)
    root = parsed(svg(drawn, HOSTILE))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "style", "defs", "marker", "path", "g", "rect", "text")
    }
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == [HOSTILE.replace("\u202e", "\ufffd"), "b"]


def test_an_svg_needs_nothing_else_and_is_the_same_each_time() -> None:
    drawn = "\n".join(svg(diamond(), "p"))
    assert drawn == "\n".join(svg(diamond(), "p"))
    assert not re.search(r"href|url\((?!#)|@import|<script|http://(?!www\.w3\.org/2000/svg)|https:", drawn)


def test_an_svg_has_a_box_for_each_task_and_an_arrow_for_each_need() -> None:
    root = parsed(svg(diamond(), "p"))
    assert len(list(root.iter(f"{SVG}rect"))) == 4
    assert sum(path.get("class") == "arrow" for path in root.iter(f"{SVG}path")) == 4
    assert [element.text for element in root.iter(f"{SVG}text")] == ["fetch", "build", "lint", "package"]
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(key) or -1) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_a_graph_of_nothing() -> None:
    assert lay_out({}).columns == ()
    assert parsed(svg({}, "p")).tag == f"{SVG}svg"


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 25))
    return {
        f"t{i}": node(
            f"t{i}", *(f"t{j}" for j in sorted(draw(st.sets(st.integers(0, i - 1), max_size=4)))) if i else ()
        )
        for i in range(count)
    }


@given(graphs())
def test_boxes_never_overlap_and_stand_right_of_what_they_need(drawn: Graph) -> None:
    layout = lay_out(drawn)
    column = {name: at for at, names in enumerate(layout.columns) for name in names}
    assert set(column) == set(layout.rows) == set(drawn)
    for item in drawn.values():
        assert all(column[need] < column[item.name] for need in item.needs)
    for names in layout.columns:
        rows = [layout.rows[name] for name in names]
        assert all(below - above > 0.99 for above, below in pairwise(rows))
    assert min(layout.rows.values()) > -0.01
    # No arrow passes through a box.
    for way in layout.arrows:
        for at, row in way[1:-1]:
            assert all(abs(layout.rows[name] - row) > 0.99 for name in layout.columns[at])
    assert len(layout.arrows) == sum(len(item.needs) for item in drawn.values())


@pytest.mark.parametrize("kind", ["chain", "wide", "skipping"])
def test_large_graphs_are_drawn(kind: str) -> None:
    drawn = {"t0": node("t0")}
    for i in range(1, 1000):
        needs = {"chain": {i - 1}, "wide": {0}, "skipping": {i - 1, 0}}[kind]
        drawn[f"t{i}"] = node(f"t{i}", *(f"t{need}" for need in sorted(needs)))
    assert len([line for line in svg(drawn, "p") if line.startswith("<g>")]) == 1000
