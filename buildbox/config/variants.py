"""The variants of a task with a matrix: which there are, what they are called, and which an address means.

Here and not among the tasks, since a file whose addresses or outputs can't be right isn't loaded. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

from buildbox.config.model import Matrix
from buildbox.config.near import did_you_mean

MOST_VARIANTS = 1000  # of a task: who has more than that has a slip in the matrix
TOOLCHAIN = "toolchain"  # the name of the placeholder
_ADDRESS = re.compile(r"([^\[\]]*)(?:\[([^\[\]]*)\])?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NOT_IN_PATHS = re.compile(r"[*?!\\{}]|^/|/$|//|(^|/)\.{1,2}(/|$)|^$")


class Variant(NamedTuple):
    """One variant of a task; of a task without a matrix the only one."""

    name: str  # "test[python313,DJANGO=5]", or the task's
    toolchain: str | None  # None: it doesn't vary
    env: Mapping[str, str]  # what varies

    @property
    def settings(self) -> tuple[str, ...]:
        """What tells it apart, as its name has it: `python313`, `DJANGO=5`."""
        own = (self.toolchain,) if self.toolchain is not None else ()
        return (*own, *(f"{name}={value}" for name, value in self.env.items()))


def count(matrix: Matrix | None) -> int:
    """How many variants there are."""
    return math.prod(map(len, _axes(matrix).values())) if matrix else 1


def expand(task: str, matrix: Matrix | None) -> tuple[Variant, ...]:
    """All variants of a task in the order of the file: what is written last changes fastest."""
    return tuple(_expand(task, matrix)) if matrix else (Variant(task, None, {}),)


def split(address: str) -> tuple[str, str | None]:
    """The task that an address names, and what it says of the variant; None where it says nothing.

    Raises ValueError for a text that is no address.
    """
    match = _ADDRESS.fullmatch(address)
    if not match or not match[1]:
        raise ValueError(f'{address!r} names no task; e.g. "test" or "test[python313,DJANGO=5]"')
    return match[1], match[2]


def select(task: str, matrix: Matrix | None, wanted: str | None) -> tuple[Variant, ...]:
    """The variants of a task that have all the settings in `wanted`: `DJANGO=5` has those of every toolchain.

    Raises ValueError with what is wrong with `wanted`.
    """
    chosen = settings(task, matrix, wanted)
    return tuple(
        variant
        for variant in expand(task, matrix)
        if all(_of(variant, axis) == value for axis, value in chosen.items())
    )


def settings(task: str, matrix: Matrix | None, wanted: str | None) -> Mapping[str, str]:
    """What `wanted` fixes of what varies. There is a variant for each such choice. Raises as `select`.

    A value may have a comma in it.
    """
    if wanted is None:
        return {}
    if not matrix:
        raise ValueError(f"task {task!r} has no variants: it has no matrix")
    known = {
        value if axis == TOOLCHAIN else f"{axis}={value}": (axis, value)
        for axis, values in _axes(matrix).items()
        for value in values
    }
    chosen: dict[str, str] = {}
    parts = wanted.split(",")
    while parts:
        end = next((end for end in range(len(parts), 0, -1) if ",".join(parts[:end]) in known), None)
        if end is None:
            raise ValueError(f"task {task!r} has no variant {_unknown(parts[0], matrix, list(known))}")
        axis, value = known[",".join(parts[:end])]
        if chosen.setdefault(axis, value) != value:
            raise ValueError(f"no variant of {task!r} has {axis} as {chosen[axis]!r} and {value!r}")
        parts = parts[end:]
    return chosen


def placeholders(pattern: str) -> tuple[str, ...]:
    """The names in braces in a pattern of outputs. Raises ValueError for a brace without its other half."""
    if "{" in (rest := _PLACEHOLDER.sub("", pattern)) or "}" in rest:
        raise ValueError("has a brace without its other half")
    return tuple(_PLACEHOLDER.findall(pattern))


def fill(pattern: str, variant: Variant) -> str:
    """`pattern` with `{toolchain}` and `{NAME}` as the variant has them.

    Raises ValueError where a value can't stand in a path.
    """

    def value(match: re.Match[str]) -> str:
        found = _of(variant, match[1])
        if found is None:
            raise ValueError(f"{match[0]} is not of the task's matrix")
        if _NOT_IN_PATHS.search(found):
            raise ValueError(f"{match[0]} is {found!r} in {variant.name!r}, which can't be a part of a path")
        return found

    return _PLACEHOLDER.sub(value, pattern)


def axes(matrix: Matrix | None) -> Mapping[str, tuple[str, ...]]:
    """What varies: `toolchain`, then the variables, each with its values."""
    return _axes(matrix) if matrix else {}


def _axes(matrix: Matrix) -> dict[str, tuple[str, ...]]:
    return {**({TOOLCHAIN: matrix.toolchain} if matrix.toolchain else {}), **matrix.env}


def _expand(task: str, matrix: Matrix) -> Iterator[Variant]:
    for toolchain in matrix.toolchain or (None,):
        for values in product(*matrix.env.values()):
            variant = Variant("", toolchain, dict(zip(matrix.env, values, strict=True)))
            yield variant._replace(name=f"{task}[{','.join(variant.settings)}]")


def _of(variant: Variant, axis: str) -> str | None:
    return variant.toolchain if axis == TOOLCHAIN else variant.env.get(axis)


def _unknown(part: str, matrix: Matrix, known: list[str]) -> str:
    name, equals, _ = part.partition("=")
    if equals and name in matrix.env:
        some = ", ".join(matrix.env[name][:10]) + ", …" * (len(matrix.env[name]) > 10)
        return f"with {part}; {name} is {some}"
    some = ", ".join(known[:10]) + ", …" * (len(known) > 10)
    return f"{part!r}{did_you_mean(part, known[:1000]) or '; it varies in ' + some}"
