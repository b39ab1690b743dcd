"""Smoke checks with processes for containers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from buildbox.errors import Exit
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.toolchains.smoke import TAIL, TIMEOUT, Smoke, SmokeFailed, SmokeStopped, need_smoke, run_smoke
from tests.support.images import make_image
from tests.support.recipes import RECIPE, recipe
from tests.support.toolchains import Bench

IMAGE = make_image({"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"})
PIN = ImageRef.parse(f"buildbox/tool:1@{IMAGE.digest}")


class Place(Bench):
    """A bench whose archive has IMAGE."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        IMAGE.put_into(self.archive)

    def smoke(self, **scripts: str) -> tuple[Smoke, ...]:
        lines = "".join(f"{name} = {json.dumps(script)}\n" for name, script in scripts.items())
        made = recipe(f"{RECIPE}\n[smoke]\n{lines}" if scripts else RECIPE)
        return run_smoke(made, PIN, self.temp, self.host, self.session, Silent())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_each_check_runs_whatever_the_others_do(place: Place) -> None:
    found = place.smoke(first="exit 7", second="echo seen")
    assert [(check.name, check.status, check.passed) for check in found] == [
        ("first", 7, False),
        ("second", 0, True),
    ]
    assert found[1].log == ("seen",)
    assert place.engine.left == []
    assert list(place.temp.iterdir()) == []


def test_a_failing_command_ends_a_check(place: Place) -> None:
    [check] = place.smoke(it="false\necho not reached")
    assert (check.status, check.log) == (1, ())


def test_each_check_has_an_empty_folder_of_its_own(place: Place) -> None:
    found = place.smoke(one='test -z "$(ls -A)"; touch left', two='test -z "$(ls -A)"')
    assert [check.status for check in found] == [0, 0]


def test_a_check_is_held_as_a_task_is(place: Place) -> None:
    place.smoke(it="true")
    spec = place.engine.made[-1]
    assert (spec.network, spec.read_only, spec.tty, spec.stdin) == ("none", True, False, False)
    assert spec.user == f"{os.getuid()}:{os.getgid()}"
    assert spec.argv[:3] == ("/bin/sh", "-e", "-c")


def test_both_streams_and_only_the_end_of_a_long_log(place: Place) -> None:
    [check] = place.smoke(it="seq 100000; echo oops >&2; exit 1")
    assert check.log[-1] == "oops"
    assert len(check.log) == TAIL
    assert check.log[-2] == "100000"


def test_a_log_does_nothing_to_the_terminal_that_shows_it(place: Place) -> None:
    [check] = place.smoke(it=r"printf 'a\tb\033[2Jc\n\377\n'")
    assert check.log == ("a       b\\x1b[2Jc", "\ufffd")


def test_a_recipe_without_checks_needs_no_engine(place: Place) -> None:
    assert place.smoke() == ()
    assert place.sessions == 0


def test_a_check_that_a_signal_ends_is_neither_passed_nor_failed(place: Place) -> None:
    with pytest.raises(SmokeStopped) as caught:
        place.smoke(it="exit 130", never="echo not reached")
    assert caught.value.exit == Exit.INTERRUPTED
    assert len(place.engine.made) <= 2  # one of them to look at the image's files


def test_what_is_said_of_failures() -> None:
    passed = Smoke("good", 0, 1.0)
    failed = Smoke("bad", 3, 1.0, log=("one", "two"))
    late = Smoke("slow", 124, TIMEOUT, timed_out=True)
    need_smoke(recipe(), [passed])
    with pytest.raises(SmokeFailed) as caught:
        need_smoke(recipe(), [passed, failed, late])
    assert caught.value.exit == Exit.DIFFERENT
    assert "tool/1" in caught.value.reason
    lines = caught.value.hint.splitlines()
    assert "'bad' failed: exit status 3" in lines[0]
    assert lines[1:3] == ["  one", "  two"]
    assert "'slow' was stopped at its timeout of 5m" in lines[3]
    assert "good" not in caught.value.hint
