"""Jobs of plans that tests make, and both systems' texts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ruamel.yaml import YAML

from buildbox.config.model import Task
from buildbox.pipelines import github, gitlab
from buildbox.pipelines.jobs import Job, task_jobs
from buildbox.tasks.plan import Step, plan_tasks
from tests.support.values import config

REQUIREMENT = "git+https://example.com/buildbox@" + "0" * 40


def allow_nothing(step: Step) -> tuple[str, ...]:
    return ()


def jobs_of(*tasks: Task, **more: Any) -> dict[str, Job]:
    """The jobs of all tasks, by name."""
    plan = plan_tasks(made := config(*tasks, **more), list(made.tasks))
    return {job.name: job for job in task_jobs(plan, allow_nothing, lambda ref: None)}


def texts(jobs: Sequence[Job], **changes: Any) -> tuple[str, str]:
    """A workflow and a pipeline with `jobs`; the first of them fills the archive, too."""
    archive = changes.pop("archive", "")
    wanted = github.Wanted(REQUIREMENT, archive, changes.pop("branch", "main"), **changes)
    other = gitlab.Wanted(REQUIREMENT, archive, **changes)
    return github.workflow(jobs, jobs[0], wanted), gitlab.pipeline(jobs, other)


def load(text: str) -> Mapping[str, Any]:
    """What readers of YAML 1.1 and 1.2 both find in `text`."""
    old, new = yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)
    assert old == new
    found: Mapping[str, Any] = new
    return found
