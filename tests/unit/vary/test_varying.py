"""What is said of builds that depend on more than their inputs; the builds are functions here."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

import pytest

from buildbox.container import ContainerSpec
from buildbox.vary import clock, variations
from buildbox.vary.changes import Changes
from buildbox.vary.choice import Choice, Clocks
from buildbox.vary.explain import Attempt, Varied
from buildbox.vary.variations import REMEDIES, TITLES, unvaried
from buildbox.vary.varying import vary

LIBRARY = Path("/lib/clock.so")
ALL = (
    variations.build_path(),
    variations.host_name(),
    variations.time_zone(),
    variations.locale("C"),
    variations.umask(),
    variations.cpu_count(0, ()),
    variations.file_order(),
    variations.clock_ahead(LIBRARY),
)
CLOCKS = Clocks(clock.frozen(LIBRARY), clock.steady(LIBRARY))
PLAIN = ContainerSpec(
    image="sha256:" + "b" * 64,
    argv=("make",),
    env=(("LC_ALL", "C.UTF-8"), ("TZ", "UTC")),
    workdir="/src",
    user="1:2",
)


@dataclass(frozen=True)
class World:
    """What one build can see."""

    spec: ContainerSpec
    reversed: bool
    now: int  # seconds
    chance: int

    @property
    def env(self) -> Mapping[str, str]:
        return dict(self.spec.env)


Task = Callable[[World], Mapping[str, object]]


class Builds:
    """Builds of one task, each a second later than the one before."""

    def __init__(self, task: Task, folder: Path | None = None) -> None:
        self._task, self._folder = task, folder
        self._times = count(1_000_000)

    def __call__(self, changes: Changes) -> Attempt:
        now = chance = next(self._times)
        spec = changes.spec(PLAIN)
        shown = dict(spec.env).get("FAKETIME", "+0")
        world = World(
            spec,
            changes.reversed_order,
            now + int(shown) if shown.startswith("+") else int(shown),
            chance,
        )
        try:
            made = self._task(world)
        except RuntimeError as error:
            return Attempt({}, failure=str(error))
        return Attempt({path: repr(content) for path, content in made.items()}, self._written(made, now))

    def _written(self, made: Mapping[str, object], now: int) -> Path | None:
        if self._folder is None:
            return None
        folder = self._folder / str(now)
        folder.mkdir()
        for path, content in made.items():
            (folder / path).write_bytes(content if isinstance(content, bytes) else repr(content).encode())
        return folder


def explained(task: Task, *, chosen: Choice | None = None, folder: Path | None = None) -> Varied:
    builds = Builds(task, folder)
    choice = chosen or Choice(ALL, (), (), CLOCKS)
    return vary(builds(Changes()), builds, choice, lambda text: None, sleep=lambda seconds: None)


def causes(task: Task, chosen: Choice | None = None) -> list[tuple[str, ...]]:
    return sorted(cause.names for cause in explained(task, chosen=chosen).causes)


DEPENDENT: Mapping[str, Callable[[World], object]] = {
    "build-path": lambda world: world.spec.workdir,
    "host-name": lambda world: world.spec.hostname,
    "time-zone": lambda world: world.env["TZ"],
    "locale": lambda world: world.env["LC_ALL"],
    "umask": lambda world: world.spec.argv,
    "cpu-count": lambda world: world.spec.cpuset,
    "file-order": lambda world: world.reversed,
    "clock": lambda world: world.now,
    "randomness": lambda world: world.chance,
}


def test_a_clean_build_takes_one_more_and_has_no_cause() -> None:
    varied = explained(lambda world: {"a": "always"})
    assert (varied.causes, varied.builds) == ((), 1)
    assert [each.name for each in varied.varied] == [each.name for each in ALL]


@pytest.mark.parametrize("name", DEPENDENT)
def test_the_one_cause_is_named(name: str) -> None:
    varied = explained(lambda world: {"a": DEPENDENT[name](world), "b": 1})
    assert [(cause.names, cause.files, cause.failure) for cause in varied.causes] == [((name,), ("a",), "")]
    assert varied.causes[0].line.startswith(TITLES[name])
    assert varied.causes[0].remedies == (REMEDIES[name],)
    assert varied.builds <= 16


@pytest.mark.parametrize(
    "names",
    [
        ("build-path", "file-order"),
        ("cpu-count", "umask"),
        ("clock", "locale"),
        ("build-path", "clock", "time-zone"),
        ("build-path", "randomness"),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_all_of_several_causes_are_named(names: Collection[str], apart: bool) -> None:
    """In files of their own, or all in one: a clock that stands still lets others be seen beside the time."""
    if not apart and "randomness" in names:
        return

    def task(world: World) -> Mapping[str, object]:
        values = {name: DEPENDENT[name](world) for name in names}
        return values if apart else {"one": tuple(values.values())}

    assert causes(task) == [(name,) for name in sorted(names)]


def test_a_day_that_is_written_is_found_by_a_clock_that_is_ahead() -> None:
    assert causes(lambda world: {"a": world.now // 86400}) == [("clock",)]


def test_what_fails_is_a_cause_and_hides_no_other() -> None:
    def task(world: World) -> Mapping[str, object]:
        if world.spec.workdir != "/src":
            raise RuntimeError("the build fails with status 2")
        return {"a": world.env["TZ"]}

    varied = explained(task)
    assert {cause.names: cause.failure for cause in varied.causes} == {
        ("build-path",): "the build fails with status 2",
        ("time-zone",): "",
    }


def test_what_changes_now_and_then_is_seldom_taken_for_anything_but_chance() -> None:
    """It may be the same as often as it is looked at: one time in ten here. All else is named every time."""
    wrong = 0
    for seed in range(200):

        def task(world: World, seed: int = seed) -> Mapping[str, object]:
            dice = Random(seed * 1_000_003 + world.chance)
            return {"a": dice.random() < 0.3, "b": world.env["TZ"]}

        blamed = {path: cause.names for cause in explained(task).causes for path in cause.files}
        assert blamed["b"] == ("time-zone",)
        wrong += blamed.get("a", ("randomness",)) != ("randomness",)
    assert wrong < 25


def test_two_that_make_a_difference_only_together_are_one_cause() -> None:
    def task(world: World) -> Mapping[str, object]:
        return {"a": world.env["TZ"] != "UTC" and world.reversed}

    assert causes(task) == [("time-zone", "file-order")]


def test_without_such_a_clock_time_and_chance_are_not_told_apart() -> None:
    choice = Choice(ALL[:-1], (), (unvaried("clock", "no library"),), None)
    for name in ("clock", "randomness"):
        varied = explained(lambda world: {"a": DEPENDENT[name](world), "b": world.env["TZ"]}, chosen=choice)  # noqa: B023
        assert [cause.names for cause in varied.causes] == [("clock-or-randomness",), ("time-zone",)]
        assert [each.name for each in varied.unvaried] == ["clock", "other-causes"]


def test_times_of_packed_files_are_no_chance(tmp_path: Path) -> None:
    def packed(world: World) -> Mapping[str, object]:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo("member")
            member.mtime = world.chance  # a kernel's time, which no library changes
            tar.addfile(member)
        return {"a.tar": data.getvalue()}

    assert [cause.names for cause in explained(packed, folder=tmp_path).causes] == [("clock",)]


def test_times_that_are_coarse_are_others_when_it_is_built_again() -> None:
    """Those of files, in steps of two seconds: no variation changes them."""
    slept: list[float] = []
    builds = Builds(lambda world: {"a": bool(slept)})
    choice = Choice(ALL, (), (), None)
    varied = vary(builds(Changes()), builds, choice, lambda text: None, sleep=slept.append)
    assert [cause.names for cause in varied.causes] == [("clock-or-randomness",)]


def test_a_build_that_heeds_the_library_itself_is_not_blamed_on_the_time() -> None:
    varied = explained(lambda world: {"a": world.env.get("LD_PRELOAD")})
    assert varied.causes == ()
    assert [each.name for each in varied.unvaried] == ["clock"]
    assert "clock" not in [each.name for each in varied.varied]


def test_what_cant_go_with_others_is_tried_by_itself() -> None:
    together = tuple(each for each in ALL if each.name != "file-order")
    choice = Choice(together, (variations.file_order(),), (), CLOCKS)
    assert causes(lambda world: {"a": world.reversed}, chosen=choice) == [("file-order",)]
    varied = explained(lambda world: {"a": 1}, chosen=choice)
    assert (varied.causes, varied.builds, len(varied.varied)) == ((), 2, len(ALL))


def test_json() -> None:
    varied = explained(lambda world: {"a": world.env["TZ"]})
    told = replace(varied, unvaried=(unvaried("user", "why not"),)).to_json()
    assert told["causes"] == [
        {
            "names": ["time-zone"],
            "title": "the time zone",
            "how": ["GMT-14 instead of UTC"],
            "files": ["a"],
            "failure": "",
            "remedies": [REMEDIES["time-zone"]],
        }
    ]
    assert told["unvaried"] == [{"name": "user", "title": "the user", "why": "why not"}]
    assert told["varied"][0] == {
        "name": "build-path",
        "title": "the folder of the build",
        "how": "/build/of/another/place instead of /src",
    }
