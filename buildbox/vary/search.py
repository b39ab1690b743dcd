"""The search for what makes a build differ: all at once, then half of it, until single ones are left. Pure.

All of them are found, not only the first: each build is compared with the usual one, so what one of them does
isn't hidden by another. Where only two or more together make a difference, these are one cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildbox.vary.variations import Variation

Differs = Callable[[Sequence[Variation]], bool]  # whether a build with these comes out differently


def find_causes(variations: Sequence[Variation], differs: Differs) -> list[tuple[Variation, ...]]:
    """The causes among `variations`, which make a difference together."""
    if len(variations) == 1:
        return [tuple(variations)]
    middle = len(variations) // 2
    found: list[tuple[Variation, ...]] = []
    for half in (variations[:middle], variations[middle:]):
        if differs(half):
            found += find_causes(half, differs)
    return found or [_smallest(variations, differs)]


def _smallest(variations: Sequence[Variation], differs: Differs) -> tuple[Variation, ...]:
    """Some of `variations` that make a difference together, and wouldn't if one of them was missing."""
    left = list(variations)
    for variation in variations:
        others = [each for each in left if each is not variation]
        if len(others) > 1 and differs(others):
            left = others
    return tuple(left)
