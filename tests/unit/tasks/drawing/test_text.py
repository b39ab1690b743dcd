from __future__ import annotations

from buildbox.config.model import Config, Matrix
from buildbox.tasks.drawing.graph import Graph, graph_of
from buildbox.tasks.drawing.text import draw
from buildbox.tasks.plan import plan_tasks
from tests.support.values import config, task, toolchain


def project(**needs: str) -> Config:
    return config(*(task(name, run="true", needs=tuple(text.split())) for name, text in needs.items()))


def graph(**needs: str) -> Graph:
    return graph_of(plan_tasks(project(**needs), list(needs)))


def test_a_chain() -> None:
    assert draw(graph(fetch="", build="fetch", test="build")) == ["test", "└─ build", "   └─ fetch"]


def test_a_diamond_is_taken_apart_once() -> None:
    assert draw(graph(fetch="", build="fetch", lint="build", test="build", package="lint test")) == [
        "package",
        "├─ lint",
        "│  └─ build",
        "│     └─ fetch",
        "└─ test",
        "   └─ build (above)",
    ]


def test_what_needs_nothing_is_named_wherever_it_is_needed() -> None:
    assert draw(graph(a="", b="a", c="a", alone="")) == ["b", "└─ a", "c", "└─ a", "alone"]


def test_nothing_at_all() -> None:
    assert draw({}) == []


def test_deep_chains_begin_anew() -> None:
    lines = draw(graph(**{f"t{i}": f"t{i - 1}" if i else "" for i in range(5000)}))
    assert lines[0] == "t4999"
    assert lines[24] == " " * 69 + "└─ t4975 (below)"
    assert lines[25] == "t4975"
    assert lines[-1].endswith("└─ t0")
    assert max(map(len, lines)) < 100
    assert sum("(above)" in line for line in lines) == 0


def test_every_task_and_every_need_is_there_once() -> None:
    needs = {f"t{i}": " ".join({f"t{i // 2}", f"t{i // 3}"} - {f"t{i}"}) for i in range(1, 200)}
    lines = draw(graph(t0="", **needs))
    taken_apart = [line.split()[-1] for line in lines if not line.endswith(")")]
    roots = {line for line in lines if line[0] == "t"}
    below = sum(line.endswith("(below)") for line in lines)
    edges = sum(len(text.split()) for text in needs.values())
    assert set(taken_apart) == {"t0", *needs}
    assert len(lines) - len(roots) == edges
    assert below == 0


def with_matrix() -> Config:
    matrix = Matrix(("tools", "other"), {"A": ("1", "2")})
    return config(
        task("t", run="x", matrix=matrix),
        task("u", run="x", needs=("t[A=1]",), hermetic=True, description="U"),
        toolchains=(toolchain(), toolchain("other")),
    )


def test_variants_are_drawn_together_or_each_by_itself() -> None:
    plan = plan_tasks(with_matrix(), ["t", "u"])
    assert draw(graph_of(plan)) == ["u", "└─ t (4 variants)"]
    assert draw(graph_of(plan, variants=True)) == [
        "t[tools,A=2]",
        "t[other,A=2]",
        "u",
        "├─ t[tools,A=1]",
        "└─ t[other,A=1]",
    ]
    assert draw(graph_of(plan_tasks(with_matrix(), ["t[tools,A=2]"]))) == ["t[tools,A=2]"]
    node = graph_of(plan)["u"]
    assert (node.label, node.needs, node.description, node.hermetic) == ("u", ("t",), "U", True)
