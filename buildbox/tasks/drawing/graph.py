"""What is drawn: tasks with their variants together, or each variant by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildbox.tasks.plan import Plan


@dataclass(frozen=True)
class Node:
    """One box of a drawing."""

    name: str  # unique in its graph
    label: str  # the name, with the number of variants where there are several
    needs: tuple[str, ...]  # names of nodes
    description: str
    hermetic: bool


Graph = Mapping[str, Node]  # by name, each behind what it needs


def graph_of(plan: Plan, *, variants: bool = False) -> Graph:
    """The graph of a plan's tasks, or with `variants` of its steps."""
    families: dict[str, list[str]] = {}
    family_of = {}
    for step in plan.steps.values():
        name = step.name if variants else step.task.name
        families.setdefault(name, []).append(step.name)
        family_of[step.name] = name
    # Behind the last of a family stands what needs one of it, and before the first what it needs: all steps
    # of a family need the same.
    nodes = {}
    for name, members in families.items():
        task = plan.steps[members[0]].task
        needs = dict.fromkeys(family_of[need] for need in plan.steps[members[0]].needs)
        label = name if len(members) == 1 and name == members[0] else _label(name, members)
        nodes[name] = Node(name, label, tuple(needs), task.description, task.hermetic)
    return nodes


def _label(name: str, members: list[str]) -> str:
    return members[0] if len(members) == 1 else f"{name} ({len(members)} variants)"
