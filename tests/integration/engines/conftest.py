"""Projects on other engines than the machine's Docker: Podman, and engines that aren't root's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.engines import MACHINES, REAL_ENGINES, Running, Subject, chosen
from tests.support.project import Caller, Project, keep_image, let_others_pass
from tests.support.served import forget
from tests.support.tiny_image import tiny_image

ENGINES = [name for name in REAL_ENGINES if name != MACHINES]
USUAL = ("podman", "docker-rootless")  # where no others are asked for, unless a module has its own


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What takes long runs where engines are asked for."""
    return True if collection_path.name == "test_more.py" and not config.getoption("--engines") else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs on the engines that `--engines` names, of those in its module's WHERE."""
    if "elsewhere" in metafunc.fixturenames:
        words = metafunc.config.getoption("--engines")
        names = chosen(words) if words else getattr(metafunc.module, "USUAL", USUAL)
        where = getattr(metafunc.module, "WHERE", ENGINES)
        metafunc.parametrize(
            "elsewhere", [name for name in names if name in where], indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def engines() -> Iterator[Running]:
    """The engines that have been started."""
    running = Running()
    yield running
    running.close()


@pytest.fixture(scope="session")
def elsewhere(request: pytest.FixtureRequest, engines: Running) -> Subject:
    """An engine."""
    return engines.get(request.param)


@pytest.fixture
def caller(elsewhere: Subject) -> Caller:
    """Who may use the engine."""
    return elsewhere.caller


@pytest.fixture
def make_project(elsewhere: Subject, tmp_path: Path) -> Callable[..., Project]:
    """Makes a project with the tasks in a TOML text, in a busybox image with `config` of its own."""
    let_others_pass(tmp_path)

    def make(
        tasks: str,
        *,
        caller: Caller = elsewhere.caller,
        config: Mapping[str, object] | None = None,
        root: str = "project",
        toolchain: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Project:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        pin = keep_image(home, tiny_image(config=config or {}), "tests/busybox:1")
        project = Project(tmp_path / root, home, caller, {"DOCKER_HOST": elsewhere.url, **(env or {})})
        project.root.mkdir(parents=True, exist_ok=True)
        project.write({".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n{toolchain}\n{tasks}'})
        return project

    return make


@pytest.fixture
def subject(elsewhere: Subject) -> Iterator[Subject]:
    """The engine, for services."""
    yield elsewhere
    forget(elsewhere)
