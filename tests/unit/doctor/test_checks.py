from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.config.load import parse
from buildbox.doctor import checks
from buildbox.doctor.checks import FAIL, OK, WARN, Check
from buildbox.doctor.survey import Survey
from buildbox.doctor.trial import Trial
from buildbox.engine.protocol import EngineInfo
from buildbox.engine.sight import Outlook, Peer, Sight
from buildbox.errors import ArchiveError, ConfigError, EngineError, Exit
from tests.support.fake_engine import FakeEngine

INFO = EngineInfo(
    "Docker Engine", "20.10.24+dfsg1", "1.41", "unix:///x", "linux/amd64", "classic", False, "/x"
)
TRIAL = Trial("image:1", 0.3, 0, "word", Path("/data"), read=True, owner=(7, 8))
SURVEY = Survey(Path("/data/archive"), exists=True, images=2, size=3_000_000)
JULY_2025 = 1_751_328_000.0
GB = 1_000_000_000


@pytest.mark.parametrize(
    ("name", "version", "api", "state"),
    [
        ("Docker Engine", "20.10.0", "1.41", OK),
        ("Docker Engine", "28.5.1", "1.51", OK),
        ("Docker Engine", "19.03.15", "1.40", FAIL),
        ("Docker Engine", "20.10.24", "1.40", FAIL),
        ("Docker Engine", "dev", "1.50", OK),
        ("Podman Engine", "4.3.1", "1.41", OK),
        ("Podman Engine", "3.0.1", "1.40", FAIL),
    ],
)
def test_an_engine_is_new_enough(name: str, version: str, api: str, state: str) -> None:
    assert checks.version(replace(INFO, name=name, version=version, api_version=api)).state == state


@pytest.mark.parametrize(
    ("total", "free", "state"),
    [
        (100 * GB, 50 * GB, OK),
        (100 * GB, 4 * GB, WARN),
        (10 * GB, 1 * GB, WARN),
        (10 * GB, 2 * GB, OK),
        (4000 * GB, 100 * GB, OK),
    ],
)
def test_a_disk_has_room(total: int, free: int, state: str) -> None:
    assert checks.disk("engine disk", "/x", total, free).state == state


@pytest.mark.parametrize(
    ("now", "skew", "state"),
    [
        (JULY_2025, 0.2, OK),
        (JULY_2025, None, OK),
        (JULY_2025, 5.5, WARN),
        (JULY_2025, -3600.0, WARN),
        (0.0, 0.0, WARN),
    ],
)
def test_clocks_are_right(now: float, skew: float | None, state: str) -> None:
    assert checks.clock(now, skew).state == state


def test_a_skew_says_which_way() -> None:
    assert "1h00m behind" in checks.clock(JULY_2025, -3600.0).found
    assert "8.0s ahead" in checks.clock(JULY_2025, 8.0).found


@pytest.mark.parametrize(
    ("survey", "state"),
    [
        (SURVEY, OK),
        (Survey(Path("/x"), exists=False), OK),
        (Survey(Path("/x"), exists=False, closed="/"), FAIL),
        (replace(SURVEY, closed="/data/archive/blobs"), FAIL),
        (replace(SURVEY, damaged=("a blob",)), FAIL),
        (replace(SURVEY, incomplete=1), WARN),
    ],
)
def test_an_archive_is_sound(survey: Survey, state: str) -> None:
    check = checks.archive(survey)
    assert check.state == state
    assert bool(check.advice) is (state != OK)


@pytest.mark.parametrize(
    ("trial", "state"),
    [
        (TRIAL, OK),
        (replace(TRIAL, seconds=9.0), WARN),
        (replace(TRIAL, status=127, output="no /bin/sh"), FAIL),
        (replace(TRIAL, status=124, timed_out=True), FAIL),
    ],
)
def test_a_container_runs(trial: Trial, state: str) -> None:
    assert checks.container(trial).state == state


@pytest.mark.parametrize(
    ("trial", "state", "found"),
    [
        (TRIAL, OK, "belong to you (7:8)"),
        (replace(TRIAL, owner=(100007, 100008)), FAIL, "belongs to 100007:100008, not to you (7:8)"),
        (replace(TRIAL, owner=None), FAIL, "doesn't arrive"),
        (replace(TRIAL, read=False), FAIL, "can't be read"),
    ],
)
def test_files_belong_to_the_caller_on_both_sides(trial: Trial, state: str, found: str) -> None:
    check = checks.files(trial, 7, 8)
    assert check.state == state
    assert found in check.found


def test_a_project_that_is_not_pinned_is_told() -> None:
    text = '[toolchains.a]\nimage = "a:1"\n[toolchains.b]\nimage = "b@sha256:' + "0" * 64 + '"\n'
    check = checks.project(parse(text, Path("/p/.buildbox.toml")))
    assert (check.state, check.advice) == (WARN, "buildbox pin")
    assert "not pinned: a" in check.found
    pinned = text.replace('"a:1"', '"a:1@sha256:' + "0" * 64 + '"')
    assert checks.project(parse(pinned, Path("/p/.buildbox.toml"))).state == OK


def test_rootless_is_no_fault() -> None:
    assert "rootless" in checks.mode(replace(INFO, rootless=True)).found
    assert "rootful" in checks.mode(INFO).found
    assert checks.mode(INFO).state == OK


def test_an_engine_that_can_not_limit() -> None:
    check = checks.mode(replace(INFO, rootless=True, unlimited=("memory", "processes")))
    assert check.state == WARN
    assert check.found.startswith("rootless: ") and check.found.endswith("can't limit memory, processes")


def test_a_failure_says_what_to_do() -> None:
    error = ConfigError("bad", "mend it", ["line 1", "line 2"])
    assert checks.failed("project", error) == Check("project", FAIL, "bad", "line 1\nline 2\nmend it")


@pytest.mark.parametrize(
    ("found", "state", "status"),
    [
        ([], OK, Exit.OK),
        ([Check("engine", OK, "")], OK, Exit.OK),
        ([Check("clock", WARN, ""), Check("engine", OK, "")], WARN, Exit.OK),
        ([Check("engine", FAIL, "")], FAIL, Exit.ENGINE),
        ([Check("files", FAIL, "")], FAIL, Exit.ENGINE),
        ([Check("archive", FAIL, ""), Check("clock", WARN, "")], FAIL, Exit.ARCHIVE),
        ([Check("archive", FAIL, ""), Check("container", FAIL, "")], FAIL, Exit.ENGINE),
        ([Check("project", FAIL, ""), Check("archive", FAIL, "")], FAIL, Exit.ARCHIVE),
        ([Check("project", FAIL, "")], FAIL, Exit.USAGE),
        ([checks.failed("container", EngineError("x"))], FAIL, Exit.ENGINE),
        ([checks.failed("container", ArchiveError("x"))], FAIL, Exit.ARCHIVE),
    ],
)
def test_the_worst_counts(found: list[Check], state: str, status: int) -> None:
    assert checks.worst(found) == state
    assert checks.exit_status(found) == status


def test_an_engine_outside_of_our_container(tmp_path: Path) -> None:
    """What it sees is found out, and what that means for tasks is said."""
    told = "this buildbox runs in a container; the engine at unix:///fake is outside of it"
    view = Outlook(None, told.replace("unix:///fake", "{}"), Peer(0, ""), is_outside=True)
    for engine, state in ((FakeEngine(), OK), (Blind(), WARN)):
        found = checks.sight(Sight(engine, view), tmp_path)
        assert (found.name, found.state) == ("files", state)
        assert found.found.startswith(told) and str(tmp_path) in found.found
        assert ("--hermetic" in found.advice and "-v /PATH:/PATH" in found.advice) == (state == WARN)


class Blind(FakeEngine):
    """An engine that sees nothing of this machine."""

    def has_path(self, path: str) -> bool:
        return False
