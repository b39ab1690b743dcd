"""Which engines the suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.kept import Kept, Make, forget, keep
from tests.support.engines import Running, Subject, chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that takes an engine runs on every chosen one; with `real_subject` not on FakeEngine."""
    try:
        names = chosen(metafunc.config.getoption("--engines"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if "real_subject" in metafunc.fixturenames:
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
