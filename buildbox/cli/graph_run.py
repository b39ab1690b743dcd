"""A plan, run for a person: with a display, logs, and the caller's streams for a single target."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.cli.call import Call, Project
from buildbox.cli.streams import task_streams
from buildbox.console import Console
from buildbox.console.displays import shown
from buildbox.console.target import Targeted
from buildbox.errors import EngineError
from buildbox.ground import Ground
from buildbox.logs import Logs
from buildbox.running import Wishes, run_graph, run_to
from buildbox.schedule.report import Display
from buildbox.session import Session, Staged
from buildbox.tasks.plan import Plan, made_here, plan_tasks
from buildbox.workplace import Workplace

if TYPE_CHECKING:
    from buildbox.console.record import Record
    from buildbox.hermetic.handing import Told

__all__ = ["Wishes", "run_in", "run_planned", "run_told", "session_for"]


def run_named(call: Call, tasks: Sequence[str]) -> int:
    """Runs `tasks`, or the project's default ones, and what they need; the exit status."""
    project = call.project()
    plan = plan_tasks(project.config, tasks, call.args or ())
    return run_told(call, project, plan, (), Wishes(cpus()))


def cpus() -> int:
    """How many commands run at once where nobody says."""
    return len(os.sched_getaffinity(0))


def run_told(
    call: Call,
    project: Project,
    plan: Plan,
    allow: Sequence[str],
    wishes: Wishes,
    junit: Path | None = None,
    summary: Path | None = None,
) -> int:
    """Runs the plan once, and tells of it in the files that are asked for; its exit status."""
    if not (junit or summary or call.host.github_page):
        return run_planned(call, project, plan, allow, wishes)
    from buildbox.cli.recording import run_recorded, wanted

    def run(record: Record) -> int:
        return run_planned(call, project, plan, allow, wishes, record)

    return run_recorded(call, project, plan, run, wanted(call, project, junit, summary))


def run_planned(
    call: Call,
    project: Project,
    plan: Plan,
    allow: Sequence[str],
    wishes: Wishes,
    record: Record | None = None,
) -> int:
    """Runs the plan once; its exit status."""
    with session_for(call, project, plan, allow) as session:
        return run_in(call, project, session, plan, wishes, record)


@contextmanager
def session_for(
    call: Call, project: Project, plan: Plan, allow: Sequence[str], staged: Staged | None = None
) -> Iterator[Session]:
    """The session of a run, with the secrets of its steps. Raises what call.session raises."""
    steps = tuple(plan.steps.values())
    with call.session(project.root, steps, allow, staged=staged) as session:
        call.note_use(project, (step.toolchain.image for step in steps))
        yield session


def run_in(
    call: Call,
    project: Project,
    session: Session,
    plan: Plan,
    wishes: Wishes,
    record: Record | None = None,
) -> int:
    """Runs the plan in a session, and has `record` hear of it; its exit status."""
    host, console = call.host, call.console
    alone = len(plan.targets) == 1
    target = plan.steps[plan.targets[0]]
    ground = Ground(session, plan, made_here(project.config), project.config.name)
    ground.look_ahead()
    temporary = Path(host.env.get("TMPDIR") or "/tmp")
    with (
        closing(Logs(project.root, os.urandom(3).hex(), host.now, temporary=temporary)) as logs,
        shown(console, host, logs, alone=alone) as kept,
    ):
        interactive = alone and not target.task.hermetic
        streams = task_streams(host, console, target.name, alone=interactive)
        display: Display = kept
        if alone and not console.json:
            display = Targeted(kept, target.name, streams.output, logs)
        with (
            record.over(display, logs) if record else nullcontext(display) as display,
            call.shared_results(session.archive) as sharing,
            Workplace(ground, display, logs, sharing) as place,
        ):
            if interactive:
                summary = run_to(place, plan, wishes, display, streams, console.say, kept.close)
            else:
                summary = run_graph(place, plan, wishes, display)
            for error in (summary.unclean, *(report.error for report in summary.reports)):
                if isinstance(error, EngineError):
                    session.connection.suspect(error)
            if isinstance(summary.unclean, EngineError):
                console.say("what this run made there may be left; the next run there removes it")
            if wishes.told and summary.status == 0:
                _hand_out(console, place, wishes.told)
            return summary.status


def _hand_out(console: Console, place: Workplace, told: Told) -> None:
    from buildbox.hermetic.handing import hand_out

    found = hand_out(place, told)
    for step in told.steps:
        if step.name not in [handed.step for handed in found]:
            console.say(f"{step.name}: no statement: none of its outputs is a file")
    for handed in found:
        signed = "signed " if handed.statement.envelope else ""
        if console.json:
            about = {"statement": str(handed.statement.manifest), "signed": bool(signed)}
            console.event({"event": "told", "task": handed.step, **about, "files": handed.paths})
        where = ", ".join(handed.paths[:3])
        more = f" and {len(handed.paths) - 3} more" if len(handed.paths) > 3 else ""
        console.say(f"{handed.step}: {signed}statement {handed.statement.manifest.short} in {where}{more}")
        if handed.outdated:
            console.say(
                f"{handed.step}: it was built before the files were committed; --force builds it anew"
            )
