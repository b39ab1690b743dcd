"""Which steps a plan has, and in what order."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.config.model import Config, Matrix, MountEntry, Service
from buildbox.errors import UsageError
from buildbox.reference import ImageRef
from buildbox.tasks.plan import Plan, plan_command, plan_tasks
from tests.support.values import PIN, config, task, toolchain


def project(**needs: str) -> Config:
    return config(*(task(name, run="true", needs=tuple(text.split())) for name, text in needs.items()))


def names(config: Config, *asked: str, deps: bool = True) -> list[str]:
    return list(plan_tasks(config, asked, deps=deps).steps)


def needs_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {step.name: step.needs for step in plan.steps.values()}


def test_needs_come_before_and_else_the_order_is_the_asked_one() -> None:
    chosen = project(package="test lint", lint="", test="build", build="fetch", fetch="", other="")
    assert names(chosen, "package") == ["fetch", "build", "test", "lint", "package"]
    assert names(chosen, "other", "package") == ["other", "fetch", "build", "test", "lint", "package"]
    assert names(chosen, "test", "fetch") == ["fetch", "build", "test"]
    assert plan_tasks(chosen, ["test", "fetch"]).targets == ("test", "fetch")


def test_a_step_knows_what_it_needs_and_a_plan_all_of_it() -> None:
    plan = plan_tasks(project(d="b c", c="a", b="a", a="", x="d"), ["x"])
    assert needs_of(plan) == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "x": ("d",)}
    assert plan.closure("x") == ("a", "b", "c", "d")
    assert plan.closure("a") == ()


def test_without_what_is_needed_the_targets_keep_their_order() -> None:
    chosen = project(package="test", test="build", build="fetch", fetch="")
    plan = plan_tasks(chosen, ["package", "fetch"], deps=False)
    assert needs_of(plan) == {"fetch": (), "package": ("fetch",)}
    assert plan.targets == ("package", "fetch")
    assert needs_of(plan_tasks(chosen, ["test"], deps=False)) == {"test": ()}


def with_matrix() -> Config:
    matrix = Matrix(("tools", "other"), {"A": ("1", "2")})
    tasks = (
        task("gen", run="true"),
        task("t", run="echo", env={"A": "0", "B": "b"}, matrix=matrix, needs=("gen",), outputs=("o/{A}",)),
        task("u", run="true", needs=("t[A=2]",)),
        task("v", run="true", needs=("t", "t[A=1]")),
    )
    return config(*tasks, toolchains=(toolchain(), toolchain("other", shell=("bash", "-c"))))


def test_variants_are_steps_of_their_own() -> None:
    plan = plan_tasks(with_matrix(), ["t"])
    assert plan.targets == ("t[tools,A=1]", "t[tools,A=2]", "t[other,A=1]", "t[other,A=2]")
    assert list(plan.steps) == ["gen", *plan.targets]
    last = plan.steps["t[other,A=2]"]
    assert (last.toolchain.name, last.task.toolchain, last.task.name) == ("other", "other", "t")
    assert (last.task.env, last.task.outputs) == ({"A": "2", "B": "b"}, ("o/2",))
    assert last.argv == ("bash", "-c", "echo", "t")
    assert last.needs == ("gen",)


def test_some_variants_can_be_asked_for_and_needed() -> None:
    chosen = with_matrix()
    assert names(chosen, "t[A=2]", "t[tools]") == ["gen", "t[tools,A=2]", "t[other,A=2]", "t[tools,A=1]"]
    assert names(chosen, "u") == ["gen", "t[tools,A=2]", "t[other,A=2]", "u"]
    v = plan_tasks(chosen, ["v"]).steps["v"]
    assert v.needs == ("t[tools,A=1]", "t[tools,A=2]", "t[other,A=1]", "t[other,A=2]")


def test_arguments_go_to_the_one_step_that_was_asked_for() -> None:
    plan = plan_tasks(with_matrix(), ["t[tools,A=2]"], ["x"])
    assert plan.steps["t[tools,A=2]"].argv[-3:] == ('echo "$@"', "t", "x")
    assert plan.steps["gen"].argv[-2:] == ("true", "gen")
    with pytest.raises(UsageError, match=r"but 2 are to run: t\[tools,A=2\], t\[other,A=2\]"):
        plan_tasks(with_matrix(), ["t[A=2]"], ["x"])


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("x", "there is no task 'x'"),
        ("t[A=3]", "task 't' has no variant with A=3; A is 1, 2"),
        ("gen[A=1]", "task 'gen' has no variants: it has no matrix"),
        ("t[", "'t[' names no task"),
        ("t[]", "task 't' has no variant ''"),
    ],
)
def test_what_names_no_step(asked: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_tasks(with_matrix(), [asked])
    assert caught.value.reason.startswith(reason)
    assert caught.value.hint


def test_a_cycle_is_refused_here_too() -> None:
    with pytest.raises(UsageError, match="a cycle: b -> c -> b"):
        plan_tasks(project(a="b", b="c", c="b"), ["a"])
    with pytest.raises(UsageError, match="a cycle: a -> a"):
        plan_tasks(project(a="a"), ["a"])


def test_services_come_along() -> None:
    db = Service("db", ImageRef.parse(PIN))
    chosen = config(task("t", run="x", services=("db",)), services=(db,))
    assert plan_tasks(chosen, ["t"]).steps["t"].services == (db,)


def test_a_plan_can_be_made_hermetic() -> None:
    """All of it: an engine elsewhere couldn't run a mounted task that a target needs."""
    plan = plan_tasks(project(a="b", b=""), ["a"], hermetic=True)
    assert [step.task.hermetic for step in plan.steps.values()] == [True, True]
    mount = MountEntry("x", "/x")
    for changes in ({"mounts": (mount,)}, {"caches": {"x": "/src/x"}}):
        with pytest.raises(UsageError, match="task 't' can't be hermetic: it has"):
            plan_tasks(config(task("u", needs=("t",)), task("t", run="x", **changes)), ["u"], hermetic=True)
    kept = plan_tasks(config(task("t", run="x", caches={"x": "/x"}, hermetic=True)), ["t"], hermetic=True)
    assert kept.steps["t"].task.hermetic


def test_a_command_by_hand_is_mounted_and_alone() -> None:
    defaults = task("", toolchain="", hermetic=True, services=("db",), retries=2, caches={"x": "/x"})
    step = plan_command(config(defaults=defaults), None, ["ls"], ".")
    assert (step.task.hermetic, step.services, step.task.services, step.task.retries) == (False, (), (), 0)
    assert step.task.caches == {"x": "/x"}


@given(st.data())
def test_every_need_stands_before_its_step(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    order = data.draw(st.permutations(range(count)))
    needs = {
        f"t{number}": " ".join(
            f"t{other}" for other in data.draw(st.lists(st.sampled_from(order[:place]), max_size=4))
        )
        if place
        else ""
        for place, number in enumerate(order)
    }
    chosen = project(**dict(sorted(needs.items())))
    asked = data.draw(st.lists(st.sampled_from(sorted(needs)), min_size=1))
    plan = plan_tasks(chosen, asked)
    seen: set[str] = set()
    for step in plan.steps.values():
        assert seen.issuperset(step.needs)
        assert set(step.needs) == set(needs[step.name].split())
        assert plan.closure(step.name) == tuple(
            name for name in plan.steps if any(name in (need, *plan.closure(need)) for need in step.needs)
        )
        seen.add(step.name)
    asked_for = set(plan.targets).union(*map(plan.closure, plan.targets))
    assert seen == asked_for
    alone = plan_tasks(chosen, asked, deps=False)
    assert set(alone.steps) == set(asked)
    for step in alone.steps.values():
        assert set(alone.closure(step.name)) == set(asked).intersection(plan.closure(step.name))


def test_long_chains_and_wide_graphs_need_no_stack_and_no_time() -> None:
    begun = time.monotonic()
    chain = project(**{f"t{i}": f"t{i - 1}" if i else "" for i in range(10_000)})
    plan = plan_tasks(chain, ["t9999"])
    assert list(plan.steps) == [f"t{i}" for i in range(10_000)]
    assert len(plan.closure("t9999")) == 9999
    wide = project(**{f"t{i}": "" for i in range(2000)}, all=" ".join(f"t{i}" for i in range(2000)))
    assert len(plan_tasks(wide, ["all"]).steps) == 2001
    assert time.monotonic() - begun < 20
