"""What a run would do, step by step, and why; nothing is started, fetched or asked of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildbox.archive.results import find_result
from buildbox.errors import ImageError
from buildbox.ground import Ground, made_of
from buildbox.hermetic.last import Last, changed_inputs, read_last
from buildbox.hermetic.weighing import Weighed, weigh
from buildbox.tasks.fingerprint import changes, is_cacheable
from buildbox.tasks.plan import Step

_TREES = ("inputs", "needs")  # keys of a document that say that something differs, not what


@dataclass(frozen=True)
class Forecast:
    """What would become of one step."""

    step: Step
    cached: bool
    why: str  # one line
    fingerprint: str = ""  # where it could be told
    changes: Sequence[str] = ()  # since its last result, a line each


def forecast(ground: Ground, *, force: bool) -> list[Forecast]:
    """What a run of the ground's plan would do, in its order. Raises BuildboxError as the run would."""
    found: list[Forecast] = []
    running: set[str] = set()  # steps that will run: what they make isn't known yet
    for step in ground.plan.steps.values():
        told = _tell(ground, step, force, running)
        if not told.cached:
            running.add(step.name)
        found.append(told)
    return found


def _tell(ground: Ground, step: Step, force: bool, running: set[str]) -> Forecast:
    if not step.task.hermetic:
        return Forecast(step, False, "it works in the project's own folder, so it always runs")
    unknown = [
        name
        for name in ground.plan.closure(step.name)
        if name in running and ground.plan.steps[name].task.outputs
    ]
    if unknown:
        return Forecast(step, False, f"needs what {', '.join(unknown)} makes, unless that is as before")
    try:
        weighed = weigh(ground, step, fetch=False)
    except ImageError as error:
        return Forecast(step, False, error.reason)
    name = str(weighed.fingerprint)
    last = read_last(ground.root, step.name)
    if force:
        return Forecast(step, False, "--force", name)
    if not is_cacheable(step):
        off = step.task.cache is False
        why = "cache = false" if off else "it has a network, and doesn't say cache = true"
        return Forecast(step, False, why, name)
    result = find_result(ground.session.archive, weighed.fingerprint)
    if result:
        ground.made(step.name, made_of(result.entries, result))
        return Forecast(step, True, "it has passed before with all the same", name)
    if last is None:
        return Forecast(step, False, "no result of it is known here", name)
    lines = _changes(last, weighed)
    why = "changed: " + ", ".join(dict.fromkeys(line.partition(":")[0] for line in lines))
    return Forecast(step, False, why if lines else "its result is gone from the archive", name, lines)


def _changes(last: Last, weighed: Weighed) -> list[str]:
    lines = []
    for line in changes(last.document, weighed.document):
        files = changed_inputs(last, weighed) if line.startswith("inputs:") else []
        lines += [f"inputs: {file}" for file in files] or [line]
    return lines
