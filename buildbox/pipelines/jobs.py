"""The jobs of a pipeline, whatever system runs it: a plan's tasks, and all that each needs there. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildbox.config.model import Config, Pinned
from buildbox.config.variants import count
from buildbox.reference import ImageRef
from buildbox.tasks.fingerprint import is_cacheable
from buildbox.tasks.plan import Plan, Step

DEFAULT_MINUTES = 60  # of a job whose tasks have no time-out
SETUP_MINUTES = 15  # for what comes before the tasks: installing, fetching images
MOST_MINUTES = 5 * 24 * 60  # GitHub's limit for runners of one's own; hosted ones end earlier by themselves
MOST_VARIANTS = 200  # of one job: GitLab's limit; GitHub's is 256

AllowFor = Callable[[Step], "tuple[str, ...]"]  # what `--allow` options a step takes
RecipeFor = Callable[[ImageRef], "str | None"]


@dataclass(frozen=True)
class Job:
    """One job: a task with its variants, or several tasks in one."""

    name: str  # the task's; of several tasks in one what they are called together
    description: str
    addresses: tuple[str, ...]  # what `buildbox run` gets; with variants the one task's name
    variants: tuple[str, ...]  # settings of each ("python313,DJANGO=5"); none: one run of the addresses
    needs: tuple[str, ...]  # names of jobs
    images: tuple[str, ...]  # titles of what it runs in, and what its tasks' needs run in
    recipes: Mapping[str, str]  # title -> recipe, of those that are in no registry
    secrets: tuple[str, ...]  # names: of secrets, and of credentials that pass-env lets through
    passed: tuple[str, ...]  # names: of other variables that pass-env lets through
    allow: tuple[str, ...]
    outputs: tuple[str, ...]  # patterns
    provenance: bool  # whether there is something that a statement can tell of
    minutes: int


def task_jobs(plan: Plan, allow_for: AllowFor, recipe_for: RecipeFor) -> tuple[Job, ...]:
    """A job for each task in the plan, in its order."""
    by_task: dict[str, list[Step]] = {}
    for step in plan.steps.values():
        by_task.setdefault(step.task.name, []).append(step)
    jobs = []
    for name, steps in by_task.items():
        variants = tuple(settings for step in steps if (settings := _settings(step)))
        needs = _unique(plan.steps[need].task.name for step in steps for need in step.needs)
        minutes = max(_minutes(_with_needs(plan, [step])) for step in steps)
        jobs.append(_job(plan, name, steps, (name,), variants, needs, minutes, allow_for, recipe_for))
    return tuple(jobs)


def one_job(
    plan: Plan, name: str, addresses: Sequence[str], allow_for: AllowFor, recipe_for: RecipeFor
) -> Job:
    """All of the plan, which `addresses` name, in one job."""
    steps = [plan.steps[target] for target in plan.targets]
    minutes = _minutes(_with_needs(plan, steps))
    return _job(plan, name, steps, tuple(addresses), (), (), minutes, allow_for, recipe_for)


def shareable(plan: Plan, config: Config) -> tuple[str, ...]:
    """Addresses of the steps whose results are worth sharing: a task's name where that means all variants."""
    by_task: dict[str, list[str]] = {}
    for name, step in plan.steps.items():
        if step.task.hermetic and is_cacheable(step):
            by_task.setdefault(step.task.name, []).append(name)
    return tuple(
        address
        for task, names in by_task.items()
        for address in ([task] if len(names) == count(config.tasks[task].matrix) else names)
    )


def matrix(plan: Plan) -> list[dict[str, Any]]:
    """The plan's targets as entries of a matrix: what each is called, and what a job must know of it."""
    return [
        {
            "task": step.name,
            "name": step.task.name,
            "variant": _settings(step),
            "toolchain": step.toolchain.name,
            "hermetic": step.task.hermetic,
            "needs": list(step.needs),
            "outputs": list(step.task.outputs),
            "timeout-minutes": _minutes(_with_needs(plan, [step])),
        }
        for step in (plan.steps[name] for name in plan.targets)
    ]


def _job(
    plan: Plan,
    name: str,
    steps: Sequence[Step],
    addresses: tuple[str, ...],
    variants: tuple[str, ...],
    needs: tuple[str, ...],
    minutes: int,
    allow_for: AllowFor,
    recipe_for: RecipeFor,
) -> Job:
    everything = _with_needs(plan, steps)
    images = {pinned.title: pinned for step in everything for pinned in _pinned(step)}
    recipes = {title: recipe for title, each in images.items() if (recipe := recipe_for(each.image))}
    allow = _unique(option for step in everything for option in allow_for(step))
    passed = _unique(variable for step in everything for variable in step.task.pass_env)
    credentials = [variable for variable in passed if f"env={variable}" in allow]
    secrets = [secret for step in everything for secret in step.task.secrets]
    told = [step for step in steps if step.task.hermetic and step.task.outputs]
    return Job(
        name=name,
        description=steps[0].task.description if len(addresses) == 1 else "",
        addresses=addresses,
        variants=variants,
        needs=needs,
        images=tuple(images),
        recipes=recipes,
        secrets=_unique([*secrets, *credentials]),
        passed=tuple(variable for variable in passed if variable not in credentials),
        allow=allow,
        outputs=_unique(pattern for step in told for pattern in step.task.outputs),
        provenance=bool(told),
        minutes=minutes,
    )


def _pinned(step: Step) -> tuple[Pinned, ...]:
    return (step.toolchain, *step.services)


def _with_needs(plan: Plan, steps: Sequence[Step]) -> list[Step]:
    names = {step.name for step in steps}
    names.update(need for step in steps for need in plan.closure(step.name))
    return [step for name, step in plan.steps.items() if name in names]


def _minutes(steps: Sequence[Step]) -> int:
    """How long a job with `steps` may take: as if one ran after the other, each as often as it may."""
    seconds = sum((step.task.timeout or 0) * (1 + step.task.retries) for step in steps)
    minutes = math.ceil(seconds / 60)
    if any(step.task.timeout is None for step in steps):
        minutes = max(minutes, DEFAULT_MINUTES)
    return min(minutes + SETUP_MINUTES, MOST_MINUTES)


def _settings(step: Step) -> str:
    """What tells a variant apart, as its name has it; nothing of a task without a matrix."""
    return step.name[len(step.task.name) + 1 : -1] if step.name != step.task.name else ""


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
