from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildbox.recipes.record import recorded_pin

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("file", [".buildbox.toml", "demo/.buildbox.toml"])
def test_the_projects_here_pin_what_the_recipe_makes(file: str) -> None:
    pins = re.findall(r'^image = "(.+)"$', (ROOT / file).read_text(), re.MULTILINE)
    assert pins == [str(recorded_pin(ROOT / "images/python/3.11"))]
