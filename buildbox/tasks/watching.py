"""What a change of files means for a plan: which of its steps have to run again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from buildbox.tasks.plan import Plan, Step

_NOT_INPUTS = frozenset((".git", ".buildbox"))  # folders of which nothing is anybody's input


def affected(plan: Plan, changed: Iterable[str], made: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the steps that changes of the paths `changed` affect, in the plan's order.

    They are those that have one among their inputs, and all that need these. A step that declares no inputs
    may read anything. What tasks make (`made`, and the outputs of the plan's steps) is nobody's input.
    """
    from buildbox.trees.patterns import compile_patterns

    outputs = [made, *(step.task.outputs for step in plan.steps.values())]
    ours = [compile_patterns(tuple(patterns)) for patterns in outputs if patterns]
    paths = [
        path
        for path in changed
        if _NOT_INPUTS.isdisjoint(path.split("/")) and not any(patterns.matches(path) for patterns in ours)
    ]
    names: dict[str, None] = {}
    for step in plan.steps.values() if paths else ():
        if any(need in names for need in step.needs) or _reads(step, paths):
            names[step.name] = None
    return tuple(names)


def replan(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan for running only `names` again: these, and what hermetic ones of them take outputs from.

    The latter will mostly be hits. A need that doesn't run again has passed before.
    """
    wanted = set(names)
    for name in names:
        if plan.steps[name].task.hermetic:
            wanted.update(plan.closure(name))
    steps = {
        name: replace(step, needs=tuple(need for need in step.needs if need in wanted))
        for name, step in plan.steps.items()
        if name in wanted
    }
    return Plan(steps, tuple(name for name in plan.targets if name in wanted))


def _reads(step: Step, paths: Sequence[str]) -> bool:
    from buildbox.trees.patterns import compile_patterns

    if step.task.inputs is None:
        return True
    return any(map(compile_patterns(step.task.inputs).matches, paths))
