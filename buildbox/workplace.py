"""What the jobs of one run share: the ground that they stand on, who is told, folders, a remote."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from buildbox.config.model import Service
from buildbox.digest import Digest
from buildbox.errors import UsageError
from buildbox.execute import Output
from buildbox.ground import Ground
from buildbox.logs import Logs
from buildbox.masking import Masked
from buildbox.schedule.report import Display
from buildbox.tasks.plan import Step
from buildbox.workspace import FOLDER, STATE, own_folder

if TYPE_CHECKING:
    from buildbox.archive.results import Result
    from buildbox.stages import Stages


class Sharing(Protocol):
    """Results that are shared with others."""

    def pull(self, fingerprint: Digest, now: float) -> Result | None:
        """The result from there, now in the archive; None where there is none that can be had."""

    def push(self, result: Result) -> None:
        """Gives a result to the others, where that is wanted. What fails is noted, and no fault."""


class Workplace:
    """What the jobs of one run share; any thread may use it."""

    def __init__(self, ground: Ground, display: Display, logs: Logs, sharing: Sharing | None) -> None:
        self.ground, self.display, self.logs, self.sharing = ground, display, logs, sharing
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._stages: Stages | None = None

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.ground.root

    def service_log(self, step: Step, service: Service) -> Output:
        """Where the output of a service of `step` is kept, without the run's secrets."""
        log = self.logs.log(f"{step.name}+{service.name}")
        secrets = self.ground.session.secrets
        return Masked(log, secrets.values()) if secrets else log

    def new_folder(self) -> Path:
        """An empty folder on the project's file system, gone at the end of the run at the latest.

        Raises UsageError where the project's folder can't be written.
        """
        from buildbox.stages import stages

        with self._lock:
            if self._stages is None:
                own = own_folder(self.root, STATE)
                if own is None:
                    raise UsageError(
                        f"{self.root / FOLDER} can't be written",
                        "Hermetic tasks work in a folder of their own there. Make the project's folder "
                        f"writable for you; {FOLDER} must be a folder, not a link.",
                    )
                self._stages = self._stack.enter_context(stages(own))
        return self._stages.new()

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
