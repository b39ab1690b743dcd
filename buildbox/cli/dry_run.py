"""`buildbox run --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence

from buildbox.cli.call import Call, Project
from buildbox.ground import Ground
from buildbox.hermetic.forecast import Forecast, forecast
from buildbox.tasks.plan import Plan, made_here

_SHOWN = 20  # changes of a step; more are counted


def show_forecast(call: Call, project: Project, plan: Plan, allow: Sequence[str], *, force: bool) -> int:
    """Says what a run of `plan` would do, and why; with -v what has changed. Starts nothing."""
    with call.session(project.root, tuple(plan.steps.values()), allow, start=False) as session:
        found = forecast(Ground(session, plan, made_here(project.config), project.config.name), force=force)
    if call.console.json:
        call.console.document({"targets": list(plan.targets), "steps": [_json(each) for each in found]})
        return 0
    width = max(len(each.step.name) for each in found)
    for each in found:
        word = "cached" if each.cached else "runs  "
        call.console.lines([f"{each.step.name.ljust(width)}  {word}  {each.why}"])
        if call.console.verbose:
            _show_more(call, each)
    return 0


def _show_more(call: Call, each: Forecast) -> None:
    lines = [f"image {each.step.toolchain.image}"]
    lines += [f"needs {', '.join(each.step.needs)}"] if each.step.needs else []
    lines += [f"fingerprint {each.fingerprint}"] if each.fingerprint else []
    lines += each.changes[:_SHOWN]
    more = len(each.changes) - _SHOWN
    lines += [f"and {more} more"] if more > 0 else []
    call.console.lines(f"    {line}" for line in lines)


def _json(each: Forecast) -> dict[str, object]:
    return {
        "task": each.step.name,
        "cached": each.cached,
        "why": each.why,
        "needs": list(each.step.needs),
        "fingerprint": each.fingerprint or None,
        "changes": list(each.changes),
    }
