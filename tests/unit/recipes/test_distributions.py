from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from buildbox.recipes.distributions import Distribution, read_distribution, unmet
from tests.support.wheels import make_wheel, target

ENVIRONMENT = target().environment


def dist(name: str, *needs: str, version: str = "1.0", python: str = "") -> Distribution:
    return Distribution(name, version, python, needs)


def test_a_whole_set() -> None:
    found = [dist("a", "B >= 1", 'c; python_version < "3.11"', 'd; extra == "x"'), dist("b", version="1.1")]
    assert unmet(found, {}, ENVIRONMENT) == []


def test_what_is_missing_and_what_is_of_a_wrong_version_are_told_together() -> None:
    found = [
        dist("a", "c>=2", "D_d[x]", "e<1"),
        dist("b", "c"),
        dist("c", version="1.5"),
        dist("e", version="1.0rc1"),
    ]
    assert unmet(found, {}, ENVIRONMENT) == [
        "a 1.0 needs c>=2, not 1.5",
        "a 1.0 needs D_d[x], which isn't listed",
        "a 1.0 needs e<1, not 1.0rc1",
    ]


def test_extras_that_are_asked_for_and_those_that_others_need() -> None:
    found = [
        dist("a", 'b[Deep_er]; extra == "x"', 'never; extra == "y"'),
        dist("b", 'c; extra == "deep-er"', 'a[x]; extra == "deep-er"'),
    ]
    assert unmet(found, {}, ENVIRONMENT) == []
    assert unmet(found, {"a": ("x",)}, ENVIRONMENT) == ["b 1.0 needs c, which isn't listed"]


def test_the_python_that_it_is_for() -> None:
    found = [dist("a", python=">=3.12"), dist("b", python=">=3.8,!=3.9.*")]
    assert unmet(found, {}, ENVIRONMENT) == ["a 1.0 is for Python >=3.12, not 3.11.2"]


@pytest.mark.parametrize("bad", [dist("a", "b >< 1"), dist("a", python="three")])
def test_metadata_that_nobody_can_read(bad: Distribution) -> None:
    [problem] = unmet([bad], {}, ENVIRONMENT)
    assert "a 1.0 has metadata that can't be read" in problem


def test_metadata_of_a_wheel(tmp_path: Path) -> None:
    lines = ("Requires-Python: >=3.8", "Requires-Dist: b>=1", 'Requires-Dist: c; extra == "x"')
    path = make_wheel(tmp_path, "Some_Name", "1.2", metadata=lines)
    assert read_distribution(path) == Distribution("some-name", "1.2", ">=3.8", ("b>=1", 'c; extra == "x"'))


def test_a_file_that_is_no_wheel(tmp_path: Path) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"a-1-py3-none-any\.whl is no wheel"):
        read_distribution(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/METADATA", "Name: a\n")
    with pytest.raises(ValueError, match="0 METADATA"):
        read_distribution(path)
