"""Which engines the suite runs over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
