from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from tests.support import registry
from tests.support.registry import RealRegistry


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running
