from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import registry
from tests.support.registry import RealRegistry


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def login_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with registry.serve(tmp_path_factory.mktemp("login"), login=True) as running:
        yield running
