"""A working tree for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.trees.working import Working


@pytest.fixture
def work(tmp_path: Path) -> Working:
    return Working(tmp_path / "project", tmp_path / "home")
