"""Steps, reports and logs for displays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildbox.console import Console
from buildbox.engine.protocol import Ended
from buildbox.execute import Outcome
from buildbox.execute.streams import Output
from buildbox.logs import Logs
from buildbox.schedule.report import Report, State, Summary
from buildbox.tasks.plan import Plan, Step
from tests.support.values import task, toolchain

QUIET = Console(quiet=True, verbose=False, json=False, color=False, live=False)
CONSOLE = Console(quiet=False, verbose=False, json=False, color=False, live=False)


def step(name: str = "test", needs: tuple[str, ...] = (), **changes: Any) -> Step:
    return Step(name, task(name, **changes), toolchain(), ("true",), needs)


def plan(*steps: Step) -> Plan:
    return Plan({item.name: item for item in steps}, (steps[-1].name,))


def passed(name: str = "test", seconds: float = 1.2) -> Report:
    return Report(name, State.PASSED, seconds, 1, Outcome(0, seconds, Ended(0)))


def failed(name: str = "test", status: int = 2, **changes: Any) -> Report:
    return Report(name, State.FAILED, 3.4, 1, Outcome(status, 3.4, Ended(status), **changes))


def not_run(name: str, why: str) -> Report:
    return Report(name, State.NOT_RUN, why=why)


def summary(*reports: Report, seconds: float = 12.0) -> Summary:
    status = next((report.status for report in reports if report.status), 0)
    return Summary(reports, seconds, status)


def logs(folder: Path) -> Logs:
    """Logs of a project in `folder`/project."""
    (folder / "project").mkdir(exist_ok=True)
    return Logs(folder / "project", "abc", 1_700_000_000.0, temporary=folder)


def write(output: Output, *writes: tuple[int, bytes]) -> None:
    for stream, data in writes:
        output.write(stream, [memoryview(data)])
