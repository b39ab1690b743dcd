"""What the tasks of a `.buildbox.toml` say of each other: needs, variants, outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from buildbox.config.model import Matrix
from buildbox.config.near import nearest
from buildbox.config.reading import KeyPath, Reading
from buildbox.config.variants import (
    MOST_VARIANTS,
    TOOLCHAIN,
    axes,
    count,
    expand,
    fill,
    placeholders,
    settings,
    split,
)

MOST_STEPS = 20_000  # of a project
_GUARDED = (".git", ".buildbox")
_WILD = re.compile(r"[*?[\\]")
_MOST_EFFORT = 5_000_000  # pairs of characters of outputs that are held against each other; some seconds
_MOST_TOLD = 50  # pairs of tasks
_MOST_CYCLES = 20  # shown
_LONGEST_CYCLE = 12  # names shown


class _Family(NamedTuple):
    """A task, with all of its variants."""

    name: str
    values: Mapping[str, Any]
    matrix: Matrix | None
    sound: bool  # False: the matrix has a fault of its own, so its variants aren't known


def check_relations(document: Mapping[str, Any], values: Mapping[str, Any], reading: Reading) -> None:
    """Notes what is wrong with `needs`, `default`, `pre-commit`, `matrix` and `outputs`. Nothing recurses."""
    families = _families(document, values, reading)
    for section, key in (("project", "default"), ("hooks", "pre-commit")):
        for index, address in enumerate(values.get(section, {}).get(key, ())):
            _check_address(address, (section, key, index), families, reading)
    edges: dict[str, dict[str, int]] = {}  # task -> what it needs -> the index in its needs
    for family in families.values():
        edges[family.name] = {}
        for index, address in enumerate(family.values.get("needs", ())):
            task = _check_address(address, ("tasks", family.name, "needs", index), families, reading)
            if task:
                edges[family.name].setdefault(task, index)
    for cycle in _cycles(edges):
        text = f"is a cycle: {' -> '.join(_shortened(cycle))}"
        reading.refuse(("tasks", cycle[0], "needs", edges[cycle[0]][cycle[1]]), text)
    if sum(count(family.matrix) for family in families.values() if family.sound) > MOST_STEPS:
        reading.refuse(("tasks",), f"there are more than {MOST_STEPS} tasks and variants of tasks")
    else:
        _check_outputs([family for family in families.values() if family.sound], reading)


def _families(document: Mapping[str, Any], values: Mapping[str, Any], reading: Reading) -> dict[str, _Family]:
    """All tasks that are written, those with faults, too."""
    written, found = document.get("tasks") or {}, {}
    read = values.get("tasks", {})
    for name in written:
        task = read.get(name, {})
        own = task.get("matrix", {})
        matrix = Matrix(own.get("toolchain", ()), own.get("env", {})) if any(own.values()) else None
        before = len(reading.problems)
        given = written[name].get("matrix") if isinstance(written[name], dict) else None
        whole = not given or (matrix and given.keys() == own.keys())
        if matrix:
            _check_matrix(matrix, task, ("tasks", name, "matrix"), document, reading)
        found[name] = _Family(name, task, matrix, bool(whole) and len(reading.problems) == before)
    return found


def _check_matrix(
    matrix: Matrix, task: Mapping[str, Any], path: KeyPath, document: Mapping[str, Any], reading: Reading
) -> None:
    toolchains = document.get("toolchains") or {}
    if count(matrix) > MOST_VARIANTS:
        reading.refuse(path, f"makes more than {MOST_VARIANTS} variants, which is all that a task can have")
        return
    for index, name in enumerate(matrix.toolchain):
        if name not in toolchains and toolchains:
            text = reading.unknown(name, toolchains, "toolchain")
            reading.refuse((*path, "toolchain", index), text)
    for axis, values in axes(matrix).items():
        place = (*path, TOOLCHAIN) if axis == TOOLCHAIN and matrix.toolchain else (*path, "env", axis)
        for index, value in enumerate(values):
            if value in values[:index]:
                reading.refuse((*place, index), f"{value!r} is there twice: two variants would be the same")
    if TOOLCHAIN in matrix.env:
        reading.refuse((*path, "env", TOOLCHAIN), "{toolchain} names the toolchain; call it otherwise")
    for name in matrix.env.keys() & set(task.get("pass-env", ())):
        reading.refuse((*path, "env", name), "is in pass-env, too: the caller's value would replace it")


def _check_address(
    address: str, path: KeyPath, families: Mapping[str, _Family], reading: Reading
) -> str | None:
    """The task that `address` means; None, and why noted, where it means none."""
    task, wanted = split(address)
    family = families.get(task)
    if family is None:
        reading.refuse(path, reading.unknown(task, families, "task"))
        return None
    if family.sound:
        try:
            settings(task, family.matrix, wanted)
        except ValueError as error:
            reading.refuse(path, str(error))
            return None
    return task


def _cycles(edges: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    """Ways from a task back to itself, each with the first name again at its end; none crosses another.

    All variants of a task need the same, so a cycle of tasks is one of variants, too, and there is no other.
    """
    done: set[str] = set()
    told: set[str] = set()
    shown = 0
    for start in edges:
        if start in done:
            continue
        way = [start]
        left = {start: iter(edges[start])}  # of each task on the way: the needs that weren't looked at
        while way:
            task = way[-1]
            need = next((need for need in left[task] if need not in done), None)
            if need is None:
                del left[way.pop()]
                done.add(task)
            elif need not in left:
                way.append(need)
                left[need] = iter(edges[need])
            elif shown < _MOST_CYCLES and task not in told and need not in told:
                cycle = way[way.index(need) :]
                if told.isdisjoint(cycle):
                    shown += 1
                    yield (*cycle, need)
                told.update(cycle)


def _shortened(cycle: Sequence[str]) -> Sequence[str]:
    if len(cycle) <= _LONGEST_CYCLE:
        return cycle
    left = len(cycle) - _LONGEST_CYCLE
    return (*cycle[: _LONGEST_CYCLE - 2], f"… ({left + 1} more)", cycle[-1])


class _Maker(NamedTuple):
    """A step that makes outputs."""

    task: str
    name: str
    outputs: tuple[str, ...]


def _check_outputs(families: Sequence[_Family], reading: Reading) -> None:
    makers = [maker for family in families for maker in _makers(family, reading)]
    told: set[tuple[str, str]] = set()
    effort = 0
    for first, second in _neighbours(makers):
        pair = (first.task, second.task)
        if len(told) >= _MOST_TOLD:
            return
        effort += 20 + sum(map(len, first.outputs)) * sum(map(len, second.outputs))
        if effort > _MOST_EFFORT:
            text = "too many outputs begin alike to be held against each other; give each task a folder"
            reading.refuse(("tasks",), text)
            return
        if pair in told:
            continue
        from buildbox.trees.patterns import may_overlap  # seldom needed, and every run loads this

        if may_overlap(first.outputs, second.outputs):
            told.add(pair)
            other = f"{first.name!r} ({', '.join(first.outputs)})"
            text = f"may be the same files as the outputs of {other}"
            if second.name != second.task:
                text = f"of {second.name!r} {text}"
            reading.refuse(("tasks", second.task, "outputs"), text)


def _makers(family: _Family, reading: Reading) -> list[_Maker]:
    """The steps of a task that make outputs; none, and why noted, where these aren't clear."""
    outputs = family.values.get("outputs", ())
    varying = {axis for axis, values in axes(family.matrix).items() if len(values) > 1}
    before = len(reading.problems)
    for index, pattern in enumerate(outputs):
        try:
            named = placeholders(pattern)
        except ValueError as error:
            reading.refuse(("tasks", family.name, "outputs", index), str(error))
            continue
        if strange := [name for name in named if name not in axes(family.matrix)]:
            _refuse_placeholder(strange[0], index, family, reading)
        elif (missing := varying.difference(named)) and not pattern.startswith("!"):
            tell = ", ".join(f"{{{axis}}}" for axis in axes(family.matrix) if axis in missing)
            text = f"is the same for all variants; tell them apart with {tell}"
            reading.refuse(("tasks", family.name, "outputs", index), text)
    if not outputs or len(reading.problems) > before:
        return []
    try:
        makers = [
            _Maker(family.name, variant.name, tuple(fill(pattern, variant) for pattern in outputs))
            for variant in expand(family.name, family.matrix)
        ]
    except ValueError as error:
        reading.refuse(("tasks", family.name, "outputs"), str(error))
        return []
    for maker in makers if family.matrix else ():
        for pattern in maker.outputs:
            if folder := guarded(pattern):
                text = f"of {maker.name!r}: {pattern} lies in {folder}, which is no task's to write"
                reading.refuse(("tasks", family.name, "outputs"), text)
                return []
    return makers


def guarded(pattern: str) -> str | None:
    """The folder that outputs may not lie in, where the pattern names one."""
    if pattern.startswith("!"):
        return None
    return next((part for part in pattern.replace("\\", "").lower().split("/") if part in _GUARDED), None)


def _refuse_placeholder(name: str, index: int, family: _Family, reading: Reading) -> None:
    known = list(axes(family.matrix))
    near = nearest(name, known)
    if near:
        text = f"there is no {{{name}}}; did you mean {{{near}}}?"
    elif known:
        text = f"there is no {{{name}}}; what varies is {', '.join(known)}"
    else:
        text = f"there is no {{{name}}} without a matrix; of two endings write two patterns"
    reading.refuse(("tasks", family.name, "outputs", index), text)


def _neighbours(makers: Sequence[_Maker]) -> Iterator[tuple[_Maker, _Maker]]:
    """The pairs whose outputs may be the same by what stands before their first wildcards.

    What both choose begins with both, so one of them begins with the other: sorted, it stands before it.
    """
    heads = sorted(
        (_head(pattern), index)
        for index, maker in enumerate(makers)
        for pattern in maker.outputs
        if not pattern.startswith("!")
    )
    around: list[tuple[str, int]] = []  # what the next one may begin with
    seen: set[tuple[int, int]] = set()
    for head, index in heads:
        while around and not head.startswith(around[-1][0]):
            around.pop()
        for _, other in around:
            pair = (min(index, other), max(index, other))
            if index != other and pair not in seen:
                seen.add(pair)
                yield makers[pair[0]], makers[pair[1]]
        around.append((head, index))


def _head(pattern: str) -> str:
    """What stands before the first wildcard."""
    path = "/".join(part for part in pattern.split("/") if part not in ("", "."))
    return _WILD.split(path, maxsplit=1)[0]
