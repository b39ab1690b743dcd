from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from buildbox.config.model import Config
from buildbox.doctor import checks
from buildbox.doctor.checks import FAIL, NAMES, OK, WARN, Check
from buildbox.doctor.examine import Patient, examine
from buildbox.engine.find import Address
from buildbox.engine.protocol import EngineInfo
from buildbox.errors import ConfigError, EngineError, Exit
from buildbox.host import Host
from buildbox.progress import Silent
from tests.support.fake_engine import FakeEngine
from tests.support.project import keep_image
from tests.support.tiny_image import tiny_image

NOW = 1_751_328_000.0


def host(data: Path) -> Host:
    uid, gid = os.getuid(), os.getgid()
    return Host(data, {}, uid, gid, False, False, False, NOW, data, data / "config.toml")


def no_project() -> Config | None:
    return None


def examined(
    data: Path,
    engine: FakeEngine | None = None,
    project: Callable[[], Config | None] = no_project,
    url: str = "unix:///fake",
) -> dict[str, Check]:
    """All checks, by name; without an `engine` there is none."""

    def connect(address: Address) -> FakeEngine:
        if engine is None:
            raise EngineError("no engine answers", "start one")
        return engine

    find = lambda: Address(url, "the test")  # noqa: E731
    patient = Patient(host(data), data / "archive", find, connect, project, data, lambda: NOW, Silent())
    found = list(examine(patient))
    assert [check.name for check in found] == list(NAMES)
    return {check.name: check for check in found}


class ToldEngine(FakeEngine):
    """A FakeEngine with a clock."""

    def __init__(self, system_time: float) -> None:
        super().__init__()
        self._time = system_time

    def info(self) -> EngineInfo:
        return replace(super().info(), system_time=self._time)


class SickEngine(FakeEngine):
    """An engine that answers and starts nothing."""

    def start(self, container: str) -> None:
        raise EngineError("no space left on device", "make room")


def test_a_healthy_machine(tmp_path: Path) -> None:
    keep_image(tmp_path, tiny_image(runnable=False), "tests/tiny:1")
    engine = FakeEngine()
    found = examined(tmp_path, engine)
    assert {name: check.state for name, check in found.items() if name != "archive disk"} == {
        name: OK for name in NAMES if name != "archive disk"
    }
    assert found["container"].found.startswith("tests/tiny:1 ran")
    assert engine.left == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "runs"]


def test_without_an_engine_all_else_is_looked_at(tmp_path: Path) -> None:
    found = examined(tmp_path)
    assert (found["engine"].state, found["engine"].advice) == (FAIL, "start one")
    assert found["archive"].state == OK
    assert found["container"].state == found["files"].state == WARN
    assert checks.exit_status(found.values()) == Exit.ENGINE


def test_without_an_image_no_container_is_tried(tmp_path: Path) -> None:
    found = examined(tmp_path, FakeEngine())
    assert found["container"].state == WARN
    assert "images build" in found["container"].advice
    assert checks.exit_status(found.values()) == Exit.OK


def test_an_engine_elsewhere_is_not_shown_this_machines_folders(tmp_path: Path) -> None:
    keep_image(tmp_path, tiny_image(runnable=False), "tests/tiny:1")
    engine = FakeEngine()
    found = examined(tmp_path, engine, url="tcp://elsewhere:2375")
    assert found["container"].state == WARN
    assert engine.made == []


def test_a_container_that_does_not_start_is_the_engines_fault(tmp_path: Path) -> None:
    keep_image(tmp_path, tiny_image(runnable=False), "tests/tiny:1")
    engine = SickEngine()
    found = examined(tmp_path, engine)
    assert (found["container"].state, found["container"].found) == (FAIL, "no space left on device")
    assert found["files"].state == WARN
    assert checks.exit_status(found.values()) == Exit.ENGINE
    assert engine.left == []


def test_a_broken_archive_is_its_own_fault_and_no_end(tmp_path: Path) -> None:
    keep_image(tmp_path, tiny_image(runnable=False), "tests/tiny:1")
    (tmp_path / "archive" / "index.json").write_text("{")
    found = examined(tmp_path, FakeEngine())
    assert found["archive"].state == FAIL
    assert found["project"].state == OK
    assert checks.exit_status(found.values()) == Exit.ARCHIVE


def test_the_engines_clock_is_compared(tmp_path: Path) -> None:
    assert examined(tmp_path, ToldEngine(NOW + 2))["clock"].state == OK
    assert examined(tmp_path, ToldEngine(NOW + 60))["clock"].state == WARN


def test_a_project_with_problems_fails(tmp_path: Path) -> None:
    def broken() -> Config | None:
        raise ConfigError("two problems", "mend them", ["one", "two"])

    found = examined(tmp_path, FakeEngine(), broken)
    assert found["project"].advice == "one\ntwo\nmend them"
    assert checks.exit_status(found.values()) == Exit.USAGE
