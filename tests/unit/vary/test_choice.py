"""Which variations there are, for tasks, engines and images; the engine has no containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.tasks.plan import Step
from buildbox.vary.choice import Choice, Surroundings, choose
from buildbox.vary.variations import REMEDIES, TITLES
from tests.support.fake_engine import FakeEngine
from tests.support.values import task, toolchain

IMAGE = "sha256:" + "1" * 64
UNABLE = {"clock", "cpu-count", "file-order"}  # for want of a kernel's help


def chosen(
    scratch: Path, *, address: str = "unix:///fake", uid: int = 0, rootless: bool = False, **of_task: object
) -> Choice:
    step = Step("test", task("test", **of_task), toolchain(), ("true",))
    around = Surroundings(uid, rootless, "run", scratch, address.startswith("unix://"))
    return choose(FakeEngine({IMAGE: {}}, address=address), IMAGE, (), step, around)


def names(choice: Choice) -> set[str]:
    return {each.name for each in (*choice.variations, *choice.apart)}


def whys(choice: Choice) -> dict[str, str]:
    return {each.name: each.why for each in choice.unvaried}


def test_what_is_varied_and_what_is_not_is_all_that_there_is(tmp_path: Path) -> None:
    choice = chosen(tmp_path)
    assert names(choice) | set(whys(choice)) == TITLES.keys() - {"randomness", "clock-or-randomness"} | {
        "machine"
    }
    assert set(whys(choice)) == {*UNABLE, "machine"}
    assert choice.clocks is None
    assert REMEDIES.keys() == TITLES.keys()


@pytest.mark.parametrize(("variable", "name"), [("TZ", "time-zone"), ("LC_ALL", "locale"), ("HOME", "home")])
def test_what_a_task_sets_itself_is_the_same_everywhere(tmp_path: Path, variable: str, name: str) -> None:
    assert whys(chosen(tmp_path, env={variable: "x"}))[name] == f"the task sets {variable} itself"


def test_the_user_is_varied_where_it_is_the_callers(tmp_path: Path) -> None:
    (user,) = (each for each in chosen(tmp_path).variations if each.name == "user")
    assert user.changes.user == "4711:4712"
    (user,) = (each for each in chosen(tmp_path, uid=4711).variations if each.name == "user")
    assert user.changes.user == "4713:4714"
    assert "(root)" in whys(chosen(tmp_path, user="root"))["user"]
    assert "rootless" in whys(chosen(tmp_path, rootless=True))["user"]


def test_an_engine_elsewhere_sees_nothing_of_this_machine(tmp_path: Path) -> None:
    found = whys(chosen(tmp_path, address="tcp://engine.example.com:2376"))
    assert found["file-order"] == found["clock"] == "the engine is elsewhere"
