"""`buildbox ci gitlab`."""

from __future__ import annotations

from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.ci.given import (
    Check,
    Force,
    Jobs,
    JobsChoice,
    Output,
    RemoteArchive,
    Requirement,
    Tasks,
)
from buildbox.cli.options import Allow
from buildbox.pipelines.gitlab import IMAGE


def gitlab(
    ctx: typer.Context,
    tasks: Tasks = None,
    jobs: JobsChoice = Jobs.task,
    requirement: Requirement = "",
    archive: RemoteArchive = "",
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="What jobs run in: with python3, venv and git.")
    ] = IMAGE,
    hermetic: Annotated[
        bool,
        typer.Option(
            "--hermetic/--no-hermetic",
            help="Run all tasks as hermetic ones (default), since the engine doesn't see a job's files; or "
            "don't, where runners have jobs run on the engine's own machine.",
        ),
    ] = True,
    allow: Allow = None,
    output: Output = None,
    check: Check = False,
    force: Force = False,
) -> None:
    """Write a pipeline for GitLab CI/CD: .gitlab-ci.yml in the repository.

    It runs TASKs, or the project's default ones, or else all, and what they need; each in a job that waits
    for those of the tasks it needs. A matrix stays one. What tasks make and the statements on it are kept as
    artifacts, results as JUnit XML; time-outs follow from the tasks'. Results and images go to the remote
    archive from the protected default branch alone; other branches and merge requests have them from there.
    A job whose tasks take secrets has the project's variables of the same name.

    The project's variables BUILDBOX_REQUIREMENT, BUILDBOX_ARCHIVE and BUILDBOX_IMAGE go before what is
    written; BUILDBOX_REGISTRY_USER and BUILDBOX_REGISTRY_PASSWORD log in to a registry that isn't the
    project's own. The runner has to offer an engine: at DOCKER_HOST, or at the usual socket. A task that
    wants what only you may allow is refused, as by `run`, unless you have allowed it; what you have allowed
    is written down in the pipeline.

    A file that buildbox didn't write, or that was edited since, is left alone. With --json: {"file",
    "changed"}.

    Examples:

      buildbox ci gitlab --archive registry.example.com/group/project/archive

      buildbox ci gitlab --no-hermetic             for a runner with the executor `shell`

      buildbox ci gitlab -o ci/buildbox.yml         to include it in a file of your own
    """
    from buildbox.cli.ci.deliver import deliver
    from buildbox.cli.ci.given import archive_of, given, requirement_of
    from buildbox.config.values import line
    from buildbox.errors import UsageError
    from buildbox.pipelines.gitlab import FILE, Wanted, pipeline

    call: Call = ctx.obj
    try:
        line(image)
    except ValueError as error:
        raise UsageError(f"--image {error}", f"E.g. --image {IMAGE}") from None
    found = given(call, tasks, allow, hermetic=hermetic, as_root=True)
    try:
        found.check()
    except UsageError as error:
        if hermetic and "can't be hermetic" in error.reason:
            hint = "Where runners have jobs run on the engine's own machine (executor shell): --no-hermetic"
            raise UsageError(error.reason, f"{error.hint}\n{hint}") from None
        raise
    wanted = Wanted(requirement_of(requirement), archive_of(archive), image, found.folder, found.options)
    command = ["gitlab", *(tasks or ())]
    command += ["--jobs", jobs.value] if jobs is not Jobs.task else []
    command += ["--requirement", requirement] if requirement else []
    command += ["--archive", archive] if archive else []
    command += ["--image", image] if image != IMAGE else []
    command += [] if hermetic else ["--no-hermetic"]
    command += [f"--allow={what}" for what in allow or ()]
    command += ["-o", str(output)] if output and str(output) != "-" else []
    deliver(found, pipeline(found.jobs(jobs), wanted), FILE, command, output, check=check, force=force)
    with_secrets = [name for name, step in found.plan.steps.items() if step.task.secrets]
    if hermetic and with_secrets:
        call.console.beware(
            f"secrets are sent to no engine elsewhere: a runner for {', '.join(with_secrets)} must have one"
            " whose machine it shares (executor shell: --no-hermetic)"
        )
