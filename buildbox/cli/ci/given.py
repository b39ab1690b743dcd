"""What pipelines are made of: the project's plan, what the caller said of it; options that verbs share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call, Project
from buildbox.errors import NotAllowed, UsageError

if TYPE_CHECKING:
    from buildbox.pipelines.jobs import Job
    from buildbox.tasks.plan import Plan, Step


class Jobs(str, Enum):
    """How many jobs there are."""

    task = "task"
    one = "one"


Tasks = Annotated[list[str] | None, typer.Argument(metavar="[TASK]...")]
JobsChoice = Annotated[Jobs, typer.Option("--jobs", help="A job for each task, or one for all.")]
Requirement = Annotated[
    str,
    typer.Option(metavar="WHAT", help="What pip installs buildbox from; default: where this one is from."),
]
RemoteArchive = Annotated[
    str, typer.Option("--archive", metavar="REGISTRY/PATH", help="The remote archive that jobs share.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; - is stdout.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; fail if the file isn't what would be written.")
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that buildbox didn't write.")]


@dataclass(frozen=True)
class Given:
    """A project's tasks on their way into a pipeline."""

    call: Call
    project: Project
    names: tuple[str, ...]  # addresses of tasks
    hermetic: bool
    allow: tuple[str, ...]
    as_root: bool  # whether jobs run as root

    @cached_property
    def plan(self) -> Plan:
        """Raises UsageError."""
        return self._plan(self.names)

    def check(self) -> None:
        """Refuses what couldn't run here either. Raises NotAllowed, ImageError, ConfigError, UsageError."""
        from buildbox.vetting import vet

        vet(self.plan.steps.values(), self.call.bounds(self.project.root, self.allow))

    def jobs(self, how: Jobs) -> tuple[Job, ...]:
        """The jobs of a pipeline. Raises UsageError where one has more variants than systems take."""
        from buildbox.pipelines.jobs import MOST_VARIANTS, one_job, task_jobs

        if how is Jobs.one:
            return (one_job(self.plan, "build", self.names, self._allow_for, self.call.recipe_for),)
        jobs = task_jobs(self.plan, self._allow_for, self.call.recipe_for)
        for job in jobs:
            if len(job.variants) > MOST_VARIANTS:
                raise UsageError(
                    f"task {job.name!r} has {len(job.variants)} variants, and a job may have {MOST_VARIANTS}",
                    "Have one job run all of them: --jobs one",
                )
        return jobs

    def keep(self) -> Job:
        """The job that fills a remote archive: with all images, and the results worth sharing."""
        from buildbox.pipelines.jobs import one_job, shareable

        everything = one_job(self.plan, "archive", (), self._allow_for, self.call.recipe_for)
        names = shareable(self.plan, self.project.config)
        if not names:
            return replace(everything, secrets=(), passed=(), allow=(), outputs=(), provenance=False)
        job = one_job(self._plan(names), "archive", names, self._allow_for, self.call.recipe_for)
        return replace(job, images=everything.images, recipes=everything.recipes, provenance=False)

    @property
    def options(self) -> tuple[str, ...]:
        """Of every `buildbox run`."""
        return ("--hermetic",) if self.hermetic else ()

    @property
    def folder(self) -> str:
        """The project's folder in its repository; "" where it is the top, or there is none."""
        root = self.project.root
        return "" if self.top == root else root.relative_to(self.top).as_posix()

    @property
    def top(self) -> Path:
        """The top of the repository that the project is in; its own folder where there is none."""
        root = self.project.root
        return next((place for place in (root, *root.parents) if (place / ".git").exists()), root)

    def _plan(self, names: Sequence[str]) -> Plan:
        from buildbox.tasks.plan import plan_tasks

        return plan_tasks(self.project.config, names, hermetic=self.hermetic)

    def _allow_for(self, step: Step) -> tuple[str, ...]:
        """What `--allow` must say of the step where nothing is allowed yet."""
        from buildbox.config.user import Allowance
        from buildbox.vetting import vet

        bounds = self.call.bounds(self.project.root)
        bare = replace(bounds, allowance=Allowance(), sockets=(), caller_is_root=self.as_root)
        alone = replace(step, services=())
        found: list[str] = []
        for each in (alone, *(replace(alone, services=(service,)) for service in step.services)):
            try:
                vet([each], replace(bare, allowance=Allowance().plus(found)))
            except NotAllowed as error:
                found += (word for option in error.options for word in shlex.split(option)[1:])
        return tuple(found)


def given(
    call: Call, tasks: Sequence[str] | None, allow: Sequence[str] | None, *, hermetic: bool, as_root: bool
) -> Given:
    """The tasks that are named; else the project's default ones; else all. Raises UsageError, ConfigError."""
    project = call.project()
    names = tuple(tasks or project.config.default or project.config.tasks)
    return Given(call, project, names, hermetic, tuple(allow or ()), as_root)


def requirement_of(text: str) -> str:
    """What pip installs in a pipeline: what was given, else where this buildbox is from.

    Raises UsageError.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    from buildbox.pipelines.requirement import given_requirement, own_requirement

    if text:
        return given_requirement(text)
    try:
        return own_requirement(distribution("buildbox").read_text("direct_url.json"))
    except PackageNotFoundError:
        return own_requirement(None)


def archive_of(text: str) -> str:
    """The remote archive that was given; "" where none was. Raises UsageError."""
    from buildbox.config.values import remote_archive

    try:
        return remote_archive(text) if text else ""
    except ValueError as error:
        raise UsageError(f"--archive: {error}", "E.g. --archive ghcr.io/owner/name/archive") from None
