"""The search for what makes a build differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.vary.changes import Changes
from buildbox.vary.search import find_causes
from buildbox.vary.variations import TITLES, Variation

ALL = tuple(Variation(name, "", Changes()) for name in TITLES)
Names = frozenset[str]


def found(*causes: Collection[str]) -> tuple[list[Names], int]:
    """What is found where any of `causes`, all there, makes a difference; and the number of builds."""
    asked: list[Names] = []

    def differs(variations: Sequence[Variation]) -> bool:
        names = frozenset(each.name for each in variations)
        asked.append(names)
        return any(names.issuperset(cause) for cause in causes)

    return [frozenset(each.name for each in cause) for cause in find_causes(ALL, differs)], len(asked)


@given(st.sets(st.sampled_from(sorted(TITLES)), min_size=1))
def test_every_single_cause_is_found_and_no_other(names: set[str]) -> None:
    causes, _ = found(*({name} for name in names))
    assert sorted(causes, key=min) == [frozenset({name}) for name in sorted(names)]


@pytest.mark.parametrize("name", TITLES)
def test_one_cause_takes_few_builds(name: str) -> None:
    assert found({name})[1] <= 8


@given(st.sets(st.sampled_from(sorted(TITLES)), min_size=2, max_size=3))
def test_what_makes_a_difference_only_together_is_one_cause(names: set[str]) -> None:
    assert found(names)[0] == [frozenset(names)]
