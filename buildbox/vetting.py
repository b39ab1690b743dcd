"""What is refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterable

from buildbox import images
from buildbox.errors import EngineError
from buildbox.tasks.plan import Step
from buildbox.trust import Bounds, check_service, check_task


def vet(steps: Iterable[Step], bounds: Bounds) -> None:
    """Refuses what may not run, before an engine is asked: unpinned images, what the user must allow.

    Raises ImageError, NotAllowed, ConfigError.
    """
    for step in steps:
        images.require_pin(step.toolchain.image)
        check_task(step.task, bounds)
        for service in step.services:
            images.require_pin(service.image)
            check_service(service, bounds)


def vet_place(steps: Iterable[Step], address: str) -> None:
    """Refuses what sees this machine's files where the engine at `address` doesn't. Raises EngineError."""
    if address.startswith("unix://"):
        return
    mounted = [step for step in steps if not step.task.hermetic]
    if not mounted:
        return
    names = ", ".join(step.name for step in mounted)
    by_hand = [step.name for step in mounted if step.name in ("exec", "shell")]
    hint = "Use an engine of this machine"
    if not by_hand:
        hint += (
            ", or have them see their inputs alone, which are sent there: `hermetic = true` in the task,"
            " or buildbox run --hermetic"
        )
    raise EngineError(
        f"the engine at {address} is on another machine, and doesn't see the working tree that is mounted for"
        f" {names}",
        f"{hint}.",
    )
