from __future__ import annotations

import pytest

from buildbox.tasks.plan import Plan, plan_tasks
from buildbox.tasks.watching import affected, replan
from tests.support.values import config, task


def graph() -> Plan:
    tasks = (
        task("gen", run="x", hermetic=True, inputs=("spec/**",), outputs=("gen/",)),
        task("build", run="x", hermetic=True, inputs=("src", "!*.md"), outputs=("dist/",), needs=("gen",)),
        task("lint", run="x", inputs=("src",)),
        task("docs", run="x", hermetic=True, inputs=("docs",)),
        task("test", run="x", needs=("build",)),
    )
    return plan_tasks(config(*tasks), ["lint", "docs", "test"])


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (["src/a.c"], ["lint", "build", "test"]),
        (["src/a.md"], ["lint", "build", "test"]),
        (["a.md"], ["test"]),
        (["spec/a"], ["gen", "build", "test"]),
        (["docs/a", "gen/x"], ["docs", "test"]),
        (["dist/x.whl", "gen/deep/er"], []),
        ([".git/index", "sub/.git/HEAD", ".buildbox/logs/x"], []),
        (["elsewhere"], []),
        ([], []),
    ],
)
def test_what_a_change_affects(changed: list[str], names: list[str]) -> None:
    assert list(affected(graph(), changed, ["elsewhere"])) == names


def test_a_plan_for_running_again() -> None:
    plan = graph()
    again = replan(plan, ["build", "test"])
    assert list(again.steps) == ["gen", "build", "test"]  # gen made what build sees
    assert again.targets == ("test",)
    alone = replan(plan, ["test"])
    assert list(alone.steps) == ["test"]
    assert alone.steps["test"].needs == ()
