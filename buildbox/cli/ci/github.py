"""`buildbox ci github`."""

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


def github(
    ctx: typer.Context,
    tasks: Tasks = None,
    jobs: JobsChoice = Jobs.task,
    requirement: Requirement = "",
    archive: RemoteArchive = "",
    branch: Annotated[str, typer.Option(metavar="NAME", help="Pushes to it are built.")] = "main",
    hermetic: Annotated[
        bool, typer.Option("--hermetic", help="Run all tasks as hermetic ones, for an engine elsewhere.")
    ] = False,
    allow: Allow = None,
    output: Output = None,
    check: Check = False,
    force: Force = False,
) -> None:
    """Write a workflow for GitHub Actions: .github/workflows/buildbox.yml in the repository.

    It runs TASKs, or the project's default ones, or else all, and what they need; each in a job that waits
    for those of the tasks it needs. A matrix stays one. What tasks make and the statements on it are kept as
    artifacts, results as JUnit XML; time-outs follow from the tasks'. Jobs may read; one may write packages,
    on pushes to the default branch: it fills the remote archive, from which all others have images and
    results. Actions are pinned by commit. A job whose tasks take secrets has those of the same name, and
    isn't run for forks.

    The repository's variables BUILDBOX_REQUIREMENT, BUILDBOX_ARCHIVE and BUILDBOX_RUNNER go before what is
    written (not for forks, to which GitHub gives none); its secrets BUILDBOX_REGISTRY_USER and
    BUILDBOX_REGISTRY_PASSWORD log in to a registry that isn't ghcr.io. A task that wants what only you may
    allow is refused, as by `run`, unless you have allowed it; what you have allowed is written down in the
    workflow.

    A file that buildbox didn't write, or that was edited since, is left alone. With --json: {"file",
    "changed"}.

    Examples:

      buildbox ci github --archive ghcr.io/owner/name/archive

      buildbox ci github --jobs one test package

      buildbox ci github --check                    in a hook, or in CI itself
    """
    from buildbox.cli.ci.deliver import deliver
    from buildbox.cli.ci.given import archive_of, given, requirement_of
    from buildbox.config.values import line
    from buildbox.errors import UsageError
    from buildbox.pipelines.github import FILE, Wanted, workflow

    call: Call = ctx.obj
    try:
        line(branch)
        if "${{" in branch:
            raise ValueError("has an expression of GitHub's in it, which can't be there")
    except ValueError as error:
        raise UsageError(f"--branch {error}", "Name the branch that releases are made from.") from None
    found = given(call, tasks, allow, hermetic=hermetic, as_root=False)
    found.check()
    wanted = Wanted(requirement_of(requirement), archive_of(archive), branch, found.folder, found.options)
    command = ["github", *(tasks or ())]
    command += ["--jobs", jobs.value] if jobs is not Jobs.task else []
    command += ["--requirement", requirement] if requirement else []
    command += ["--archive", archive] if archive else []
    command += ["--branch", branch] if branch != "main" else []
    command += ["--hermetic"] if hermetic else []
    command += [f"--allow={what}" for what in allow or ()]
    command += ["-o", str(output)] if output and str(output) != "-" else []
    body = workflow(found.jobs(jobs), found.keep(), wanted)
    deliver(found, body, FILE, command, output, check=check, force=force)
