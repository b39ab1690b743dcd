"""How one rebuild differs from a usual run of the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from buildbox.container import ContainerSpec


def _same(spec: ContainerSpec) -> ContainerSpec:
    return spec


@dataclass(frozen=True)
class Changes:
    """What is different; nothing by default."""

    user: str = ""  # instead of the task's, as Task.user has it
    reversed_order: bool = False  # folders list what is in them the other way round
    spec: Callable[[ContainerSpec], ContainerSpec] = _same  # the last thing before the container is made


def together(several: Iterable[Changes]) -> Changes:
    """All of them at once."""
    parts = tuple(several)

    def spec(given: ContainerSpec) -> ContainerSpec:
        for part in parts:
            given = part.spec(given)
        return given

    user = next((part.user for part in parts if part.user), "")
    return Changes(user, any(part.reversed_order for part in parts), spec)
