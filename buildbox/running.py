"""Runs a plan: steps side by side, and a single mounted target last, with the caller's own streams."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from buildbox.execute import Streams
from buildbox.schedule.pauses import pause_after
from buildbox.schedule.report import Display, Report, State, Summary
from buildbox.tasks.plan import Plan, Step
from buildbox.workplace import Workplace

if TYPE_CHECKING:
    from buildbox.hermetic.handing import Told
    from buildbox.schedule.job import Job


@dataclass(frozen=True)
class Wishes:
    """How a plan is to run."""

    limit: int  # commands at once
    keep_going: bool = False
    force: bool = False  # nothing comes from results
    told: Told | None = None  # statements are wanted beside what is built


def run_graph(place: Workplace, plan: Plan, wishes: Wishes, display: Display) -> Summary:
    """Runs the steps of `plan` side by side, as far as they need nothing of each other.

    In the main thread. Raises what run_plan raises.
    """
    begun = time.monotonic()
    display.plan(plan)
    summary = _run_steps(place, plan, wishes, display)
    summary = replace(summary, seconds=time.monotonic() - begun)
    display.finished(summary)
    return summary


def _run_steps(place: Workplace, plan: Plan, wishes: Wishes, display: Display) -> Summary:
    """Steps that have passed before first: mostly those are all, and the rest of buildbox isn't loaded."""
    hits: dict[str, Report] = {}
    to_tell = frozenset(step.name for step in wishes.told.steps) if wishes.told else frozenset()
    if not wishes.force and any(step.task.hermetic for step in plan.steps.values()):
        from buildbox.hermetic.hits import find_hits

        hits = find_hits(place.ground, display, to_tell)
    rest = without(plan, hits)
    if not rest.steps:
        return Summary(tuple(hits.values()), 0.0, 0)
    gc.enable()
    from buildbox.jobs import ContainerJob, Mounted
    from buildbox.schedule.graph import run_plan

    def job(step: Step) -> Job:
        if step.task.hermetic:
            from buildbox.hermetic.way import Hermetic

            return ContainerJob(
                place, step, Hermetic(place, step, force=wishes.force, to_tell=step.name in to_tell)
            )
        return ContainerJob(place, step, Mounted(place, step))

    summary = run_plan(rest, job, limit=wishes.limit, keep_going=wishes.keep_going, display=_Within(display))
    return replace(summary, reports=(*hits.values(), *summary.reports))


def without(plan: Plan, done: Container[str]) -> Plan:
    """The steps of `plan` that aren't `done`, and don't wait for what is."""
    return Plan(
        {
            name: replace(step, needs=tuple(need for need in step.needs if need not in done))
            for name, step in plan.steps.items()
            if name not in done
        },
        tuple(target for target in plan.targets if target not in done),
    )


def run_to(
    place: Workplace,
    plan: Plan,
    wishes: Wishes,
    display: Display,
    streams: Streams,
    say: Callable[[str], None],
    release: Callable[[], None],
) -> Summary:
    """Runs the single, mounted target of `plan` after all that it needs, with the caller's `streams`.

    `release` has the display let go of the terminal. In the main thread.
    Raises BuildboxError where the target can't be run.
    """
    begun = time.monotonic()
    target = plan.steps[plan.targets[0]]
    display.plan(plan)
    others = Plan({name: step for name, step in plan.steps.items() if step is not target}, ())
    reports: list[Report] = []
    unclean = None
    if others.steps:
        summary = _run_steps(place, others, wishes, display)
        reports, unclean = list(summary.reports), summary.unclean
        if summary.status:
            reports.append(Report(target.name, State.NOT_RUN, why=_why(target, reports)))
            display.ended(target, reports[-1])
            summary = replace(summary, reports=tuple(reports))
            display.finished(summary)
            return summary
    release()
    report = _run_target(place, target, streams, display, say)
    display.ended(target, report)
    summary = Summary((*reports, report), time.monotonic() - begun, report.status, unclean)
    display.finished(summary)
    return summary


def _run_target(
    place: Workplace, step: Step, streams: Streams, display: Display, say: Callable[[str], None]
) -> Report:
    gc.enable()
    from buildbox.jobs import take_in_place
    from buildbox.run import run_step

    ground = place.ground
    epoch = ground.epoch(step)
    for attempt in count(1):
        display.started(step, attempt)
        outcome = run_step(
            ground.session,
            step,
            replace(streams, output=display.output(step)),
            say=say,
            epoch=epoch,
            service_log=lambda service: place.service_log(step, service),
        )
        if outcome.status == 0 or outcome.signal or attempt > step.task.retries:
            break
        pause = pause_after(attempt)
        display.retrying(step, outcome, pause)
        time.sleep(pause)
    if outcome.status == 0:
        take_in_place(ground, step)
    state = State.STOPPED if outcome.signal else State.FAILED if outcome.status else State.PASSED
    return Report(step.name, state, outcome.seconds, attempt, outcome)


def _why(target: Step, reports: list[Report]) -> str:
    bad = {r.step: r.state for r in reports if r.state not in (State.PASSED, State.CACHED)}
    name = next((need for need in target.needs if need in bad), next(iter(bad)))
    became = "wasn't run" if bad[name] is State.NOT_RUN else bad[name].value
    return f"needs {name}, which {became}"


class _Within:
    """A Display for a part of a run: the whole is told by who knows it."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.started, self.output, self.note = display.started, display.output, display.note
        self.retrying, self.ended = display.retrying, display.ended

    def plan(self, plan: Plan) -> None:
        pass

    def finished(self, summary: Summary) -> None:
        pass
