"""Which builds of a project's tasks a capsule is of: those of the project as it is now."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, find_result
from buildbox.archive.statements import KeptStatement, statements_of
from buildbox.errors import CantTell, ImageError
from buildbox.ground import Ground, made_of
from buildbox.hermetic.weighing import weigh
from buildbox.provenance.form import parse_statement
from buildbox.rebuilding.subject import Chosen
from buildbox.tasks.plan import Step


def choose_tasks(
    ground: Ground, wanted: Collection[str], missing: list[str], left_out: list[str], *, named: bool
) -> list[Chosen]:
    """The builds of the steps `wanted`, as the project is now; what hasn't run so is `missing`.

    `named`: the person wants just these; else what had a network is `left_out`, as a build. Nothing is
    fetched or started.
    """
    found: list[Chosen] = []
    unknown: set[str] = set()
    for step in ground.plan.steps.values():
        if not step.task.hermetic:
            unknown |= {step.name} if step.task.outputs else set()
            continue
        needs = [name for name in ground.plan.closure(step.name) if name in unknown]
        if needs:
            own = [name for name in needs if not ground.plan.steps[name].task.hermetic]
            if own:
                missing.append(
                    f"{step.name}: it needs {', '.join(own)}, which works in the project's own folder, so "
                    "nothing has kept what that made; make that hermetic"
                )
            unknown.add(step.name)
            continue
        result = _result_now(ground, step, missing)
        if result is None:
            unknown.add(step.name)
            continue
        ground.made(step.name, made_of(result.entries, result))
        if step.name in wanted:
            found += _of_result(ground.session.archive, step, result, missing, left_out, named=named)
    return found


def _result_now(ground: Ground, step: Step, missing: list[str]) -> Result | None:
    run = f"buildbox run {step.name}"
    try:
        weighed = weigh(ground, step, fetch=False)
    except ImageError as error:
        missing.append(f"{step.name}: {error.reason}: {run}")
        return None
    result = find_result(ground.session.archive, weighed.fingerprint)
    if result is None and step.task.outputs:
        missing.append(f"{step.name}: it hasn't run as it is now, or its result is gone: {run}")
    return result


def _of_result(
    archive: Archive,
    step: Step,
    result: Result,
    missing: list[str],
    left_out: list[str],
    *,
    named: bool,
) -> list[Chosen]:
    if step.task.network != "none":
        line = f"{step.name} had a network ({step.task.network}), so it can't be made again"
        (missing if named else left_out).append(line)
        return []
    kept = statements_of(archive, result.fingerprint)
    chosen = [each for each in _all(kept) if each.statement.tree == result.tree]
    if not chosen:
        missing.append(f"{step.name}: the archive has no statement of it: buildbox run --force {step.name}")
    return chosen[:1]


def _all(kept: Iterable[KeptStatement]) -> list[Chosen]:
    """Those that can be read: what claims most comes first, then what is signed, then the newest."""
    found = []
    for each in kept:
        try:
            found.append(Chosen(parse_statement(each.data), each.data, each.envelope))
        except ValueError:
            continue
    return sorted(found, key=lambda chosen: (len(chosen.statement.limits), chosen.envelope is None))


def nothing_to_choose() -> CantTell:
    """What to say of a project without a build that could be made again."""
    return CantTell(
        "no task of the project leaves anything that could be made again",
        "A capsule is of tasks with hermetic = true, outputs and no network; or name a file.",
    )
