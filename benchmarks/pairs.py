"""Two ways to do a thing, measured in pairs that run right after each other.

So a machine that is busy for a while slows both; who goes first changes from round to round, and what counts
is the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    """What a command took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of its processes; not of an engine or a registry
    memory: float = 0.0  # MiB that it held at its peak, or this process before it: a child starts with that


@dataclass(frozen=True)
class Result:
    """Something that was measured: medians, but for memory, which is the most that there was."""

    what: str
    rounds: int
    ours: Taken
    other: Taken
    ratio: float  # median of the rounds' ratios, on the wall
    cpu_ratio: float
    limit: float | None  # of `ratio`
    memory_limit: float | None = None  # of ours, in MiB

    @property
    def verdict(self) -> str:
        """What the limits say of it."""
        if self.limit is not None and self.ratio > self.limit:
            return "too slow"
        if self.memory_limit is not None and self.ours.memory > self.memory_limit:
            return "too large"
        return "ok" if self.limit or self.memory_limit else "-"


def compare(
    what: str,
    ours: Callable[[], Taken],
    other: Callable[[], Taken],
    rounds: int,
    limit: float | None,
    memory: float | None = None,
) -> Result:
    """Both, `rounds` times; who goes first changes from round to round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            theirs = other()
            pairs.append((ours(), theirs))
        else:
            first = ours()
            pairs.append((first, other()))
        figures = " against ".join(f"{each.wall:.3f} s ({each.cpu:.3f})" for each in pairs[-1])
        print(f"benchmarks: {what}, {number + 1} of {rounds}: {figures}", file=sys.stderr)
    return Result(
        what,
        rounds,
        _median([mine for mine, _ in pairs]),
        _median([theirs for _, theirs in pairs]),
        statistics.median(mine.wall / theirs.wall for mine, theirs in pairs),
        statistics.median(mine.cpu / max(theirs.cpu, 1e-6) for mine, theirs in pairs),
        limit,
        memory,
    )


def _median(values: Sequence[Taken]) -> Taken:
    return Taken(
        statistics.median(each.wall for each in values),
        statistics.median(each.cpu for each in values),
        max(each.memory for each in values),
    )
