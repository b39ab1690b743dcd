"""Hermetic steps that needn't run: their results are in the archive, and their outputs in the working tree.

Found first, one after the other, with no more than small files read: most runs in a day have nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Container
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, find_result, replay
from buildbox.errors import BuildboxError
from buildbox.ground import Ground, made_of
from buildbox.hermetic.last import note_last
from buildbox.hermetic.weighing import Weighed, weigh
from buildbox.logs import file_name
from buildbox.schedule.report import Display, Report, State
from buildbox.tasks.fingerprint import is_cacheable
from buildbox.tasks.plan import Step
from buildbox.trees.placed import is_placed
from buildbox.workspace import FOLDER, STATE, own_folder


def find_hits(ground: Ground, display: Display, to_tell: Container[str] = ()) -> dict[str, Report]:
    """The steps of the ground's plan that have passed before, all that they need included, and whose outputs
    are there; told as they are found. Those `to_tell` of count only with a statement.
    """
    hits: dict[str, Report] = {}
    for name, step in ground.plan.steps.items():
        if step.task.hermetic and is_cacheable(step) and all(need in hits for need in step.needs):
            report = _hit(ground, step, display, to_tell=name in to_tell)
            if report:
                hits[name] = report
                display.ended(step, report)
    return hits


def has_statement(archive: Archive, result: Result) -> bool:
    """Whether it is told how `result` was made, as far as that can be told: of files."""
    from buildbox.hermetic.handing import files_of, statement_of

    return not files_of(result) or statement_of(archive, result) is not None


def record_of(root: Path, step: str) -> Path:
    """Where it is noted what was placed of the step's outputs."""
    folder = own_folder(root, STATE, "outputs") or root / FOLDER / STATE / "outputs"
    return folder / f"{file_name(step).removesuffix('.log')}.json"


def take_result(ground: Ground, step: Step, weighed: Weighed, result: Result, display: Display) -> None:
    """The step counts as passed with `result`, whose log is shown again. Raises ResultDamaged."""
    tell_of_inputs(step, weighed, display)
    replay(ground.session.archive, result, display.output(step))
    ground.made(step.name, made_of(result.entries, result))
    note_last(ground.root, step.name, weighed)


def tell_of_inputs(step: Step, weighed: Weighed, display: Display) -> None:
    """What a person should know of a step's inputs."""
    for pattern in weighed.inputs.unmatched:
        display.note(step, f"the input {pattern!r} matches nothing")
    for note in weighed.inputs.notes:
        display.note(step, note)


def _hit(ground: Ground, step: Step, display: Display, *, to_tell: bool) -> Report | None:
    begun = time.monotonic()
    try:
        weighed = weigh(ground, step, fetch=False)
        session = ground.session
        result = find_result(session.archive, weighed.fingerprint, session.host.now)
        if result is None or not is_placed(result.entries, ground.root, record_of(ground.root, step.name)):
            return None
        if to_tell and not has_statement(session.archive, result):
            return None
        take_result(ground, step, weighed, result, display)
    except BuildboxError:
        return None  # looked at again, and told, where it is run
    return Report(step.name, State.CACHED, time.monotonic() - begun)
