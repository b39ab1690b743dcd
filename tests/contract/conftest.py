"""Which engines the suite runs over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.kept import Kept, Make, forget, keep
from tests.support.engines import Running, Subject, chosen
from tests.support.project import let_others_pass


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that takes an engine runs on every chosen one that its kind of subject can be."""
    try:
        names = chosen(metafunc.config.getoption("--engines"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if "building_subject" in metafunc.fixturenames:
        building = [name for name in ("fake", *names) if "podman" not in name]
        metafunc.parametrize("building_subject", building, indirect=True, scope="module")
    elif "limiting_subject" in metafunc.fixturenames:
        # Without cgroups of version 2 nobody but root may limit anything.
        limiting = [name for name in names if "rootless" not in name]
        metafunc.parametrize("limiting_subject", limiting, indirect=True, scope="module")
    elif "real_subject" in metafunc.fixturenames:
        metafunc.parametrize("real_subject", names, indirect=True, scope="module")
    elif "subject" in metafunc.fixturenames:
        metafunc.parametrize("subject", ("fake", *names), indirect=True, scope="module")


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    """The engines that have been started."""
    running = Running()
    yield running
    running.close()


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, running: Running) -> Subject:
    """An engine."""
    return running.get(request.param)


@pytest.fixture(scope="module")
def real_subject(request: pytest.FixtureRequest, running: Running) -> Subject:
    """An engine whose containers are containers."""
    return running.get(request.param)


@pytest.fixture(scope="module")
def building_subject(request: pytest.FixtureRequest, running: Running) -> Subject:
    """An engine that builds."""
    return running.get(request.param)


@pytest.fixture(scope="module")
def limiting_subject(request: pytest.FixtureRequest, running: Running) -> Subject:
    """An engine that limits what its containers take."""
    return running.get(request.param)


@pytest.fixture
def make_folder(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes folders, named at will, of whoever may use the engine."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        let_others_pass(folder)
        os.chown(folder, subject.caller.uid, subject.caller.gid)
        return folder

    return make


@pytest.fixture
def make(subject: Subject, tmp_path: Path) -> Iterator[Make]:
    """Makes images in archives; the engine has none of them after the test."""
    made: list[Kept] = []

    def make(kind: str = "oci", indexed: bool = False) -> Kept:
        made.append(keep(tmp_path / str(len(made)), kind, indexed))
        return made[-1]

    yield make
    for kept in made:
        forget(subject, kept)
