"""What is refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from buildbox import images
from buildbox.errors import EngineError
from buildbox.tasks.plan import Step
from buildbox.trust import Bounds, check_service, check_task

if TYPE_CHECKING:
    from buildbox.engine.sight import Sight


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
    raise EngineError(
        f"the engine at {address} is on another machine, and doesn't see the working tree that is mounted for"
        f" {_names(mounted)}",
        f"Use an engine of this machine{_or_send(mounted)}.",
    )


def takes_files(step: Step) -> bool:
    """Whether the engine must see files of this machine for it, which nothing is known of before it runs."""
    return not step.task.hermetic or bool(step.task.secrets)


def vet_sight(steps: Iterable[Step], bounds: Bounds, sight: Sight, runtime: str | None) -> None:
    """Refuses what is mounted, but isn't seen by an engine that may not see all files of this machine.

    `runtime` is the caller's XDG_RUNTIME_DIR. Raises EngineError, NotAllowed, ConfigError, UsageError.
    """
    steps = tuple(steps)
    secret = [step for step in steps if step.task.secrets]
    if secret:
        from buildbox.secrets import place_in_memory

        memory = place_in_memory(runtime)
        if not sight.sees(memory):
            raise EngineError(
                f"{sight.told}, and doesn't see {memory}, where the secrets of {_names(secret)} would be",
                f"They are never written to a disk. {seen_there(sight)} (-v {memory}:{memory}).",
            )
    mounted = [step for step in steps if not step.task.hermetic]
    if mounted and not sight.sees_tree(bounds.project):
        raise EngineError(
            f"{sight.told}, and doesn't see the folder {bounds.project} of here, which is mounted for"
            f" {_names(mounted)}",
            f"{seen_there(sight)}{_or_send(mounted)}.",
        )
    for step in mounted:
        for mount in check_task(step.task, bounds):
            if not sight.sees(mount.source):
                raise EngineError(
                    f"{sight.told}, and doesn't see {mount.source} of here, which is mounted for {step.name}",
                    f"{seen_there(sight)}.",
                )


def _names(steps: Iterable[Step]) -> str:
    return ", ".join(step.name for step in steps)


def _or_send(mounted: Iterable[Step]) -> str:
    """The other way out; not for what is done by hand in the working tree."""
    if any(step.name in ("exec", "shell") for step in mounted):
        return ""
    return (
        ", or have them see their inputs alone, which are sent there: `hermetic = true` in the task,"
        " or buildbox run --hermetic"
    )


def seen_there(sight: Sight) -> str:
    """What to do for an engine to see a folder; without a full stop."""
    if sight.outlook.is_outside:
        return "Start this container with it, writable, under the path that it has outside (-v /PATH:/PATH)"
    return "Use an engine that sees this machine's files"
