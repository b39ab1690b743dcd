"""What is said of steps and of a whole run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from buildbox.console.quoted import hint_lines
from buildbox.errors import Exit
from buildbox.execute import Outcome
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Step
from buildbox.units import show_duration

_MEANINGS = {  # what shells and the engine's init mean by them
    126: ", a program that can't be executed",
    127: ", a program that the toolchain doesn't have",
}
_KILLED = 137  # 128 and SIGKILL


def failure(step: Step, outcome: Outcome) -> str:
    """Why an attempt of `step` failed: `failed: exit status 2`; nothing where its output had no reader."""
    if outcome.timed_out:
        return f"was stopped at its timeout of {show_duration(step.task.timeout or 0)}"
    if outcome.ended and outcome.ended.out_of_memory:
        limit = f"its memory limit ({step.task.memory >> 20} MiB)" if step.task.memory else "there was"
        if outcome.status == _KILLED:
            return f"was killed: it needed more than {limit}"
        said = f"failed: exit status {outcome.status}"
        return f"{said}; the kernel killed a program of it, which needed more than {limit}"
    if outcome.status == Exit.BROKEN_PIPE:
        return ""
    if outcome.status == _KILLED and step.task.memory:  # Podman before 5 doesn't tell
        return f"failed: exit status {_KILLED}, perhaps at its memory limit ({step.task.memory >> 20} MiB)"
    return f"failed: exit status {outcome.status}{_MEANINGS.get(outcome.status, '')}"


def verdict(step: Step, report: Report) -> str:
    """How `step` ended, behind its name: `passed (1.2s)`, `not run: needs build, which failed`."""
    took = show_duration(report.seconds)
    tries = f", attempt {report.attempts}" if report.attempts > 1 else ""
    if report.state is State.PASSED:
        return f"passed ({took}{tries})"
    if report.state is State.CACHED:
        return f"cached ({took})"
    if report.state is State.NOT_RUN:
        return f"not run: {report.why}" if report.why else "not run"
    if report.state is State.STOPPED:
        return f"was stopped ({took})"
    if report.error:
        return f"failed: {report.error.reason}"
    if report.outcome and report.outcome.status:
        why = failure(step, report.outcome)
        return f"{why} ({took}{tries})" if why else f"was stopped ({took})"
    return f"failed: {report.why} ({took}{tries})"


def advice(report: Report) -> Sequence[str]:
    """Lines that say what to do about a step that buildbox couldn't run, or whose outputs it refused."""
    return hint_lines(report.error) if report.error else ()


def retry(step: Step, outcome: Outcome, pause: float) -> str:
    """What is said between two attempts, behind the step's name."""
    return f"{failure(step, outcome) or 'failed'}; it is tried again in {show_duration(pause)}"


def totals(summary: Summary) -> str:
    """`3 passed, 18 cached, 1 failed, 2 not run (12s)`."""
    count = Counter(report.state for report in summary.reports)
    parts = [f"{count[state]} {state.value}" for state in State if count[state]]
    return f"{', '.join(parts) or 'nothing ran'} ({show_duration(summary.seconds)})"


def not_run(summary: Summary) -> Mapping[str, Sequence[str]]:
    """The steps that weren't run, by the reason: ` (needs build, which failed)`, or nothing."""
    found: dict[str, list[str]] = {}
    for report in summary.reports:
        if report.state is State.NOT_RUN:
            found.setdefault(f" ({report.why})" if report.why else "", []).append(report.step)
    return found
