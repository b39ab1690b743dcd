"""The environment of a task, as far as it is the same on every machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from buildbox import identity
from buildbox.tasks.plan import Step


def settled_environment(
    step: Step, image_env: Mapping[str, str], passed: Mapping[str, str], epoch: int
) -> dict[str, str]:
    """The task's environment, but for what it is told of the way out of this machine's network."""
    return {**image_env, **_own_environment(step, epoch), **step.task.env, **passed}


def _own_environment(step: Step, epoch: int) -> dict[str, str]:
    return {
        "HOME": identity.HOME,
        "USER": identity.NAME,
        "LOGNAME": identity.NAME,
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(epoch),
        "BUILDBOX_TASK": step.name,
        # Read by the engine's init: a signal goes to the task's whole process group, as from a terminal.
        "TINI_KILL_PROCESS_GROUP": "1",
    }
