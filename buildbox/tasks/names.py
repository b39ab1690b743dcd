"""What a person calls tasks and their variants, looked up in a project's file. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from buildbox.config.model import Config
from buildbox.config.near import suggestion
from buildbox.config.variants import Variant, select, split
from buildbox.errors import UsageError

Found = tuple[str, Variant]  # a task's name, and one of its variants


def find_steps(config: Config, addresses: Iterable[str]) -> tuple[Found, ...]:
    """What `addresses` mean, in their order, each step once.

    `test` means all variants of a task, `test[DJANGO=5]` those that match, `test[python313,DJANGO=5]` one.
    Raises UsageError for an address that means nothing.
    """
    found: dict[str, Found] = {}
    for address in addresses:
        for task, variant in _find(config, address):
            found.setdefault(variant.name, (task, variant))
    return tuple(found.values())


def _find(config: Config, address: str) -> Iterable[Found]:
    try:
        name, wanted = split(address)
        task = config.tasks.get(name)
        if task is None:
            raise UsageError(f"there is no task {name!r}", suggestion(name, config.tasks, "task"))
        return [(name, variant) for variant in select(name, task.matrix, wanted)]
    except ValueError as error:
        raise UsageError(str(error), "`buildbox list` shows the tasks and what varies.") from None
