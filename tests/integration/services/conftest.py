"""The machine's engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engines import SOCKET, Subject, real
from tests.support.served import forget


@pytest.fixture(scope="module")
def subject() -> Iterator[Subject]:
    """The engine, and a tiny image that it has."""
    with real(SOCKET) as found:
        yield found
        forget(found)
