"""`buildbox ci matrix`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.ci.given import Tasks


def matrix(
    ctx: typer.Context,
    tasks: Tasks = None,
    hermetic: Annotated[
        bool, typer.Option("--hermetic", help="Tell of all tasks as hermetic ones, for `run --hermetic`.")
    ] = False,
) -> None:
    """Print TASKs (default: the project's default ones, or else all) as JSON, for pipelines of your own.

    One document on one line, with --json the same: {"include": [{"task", "name", "variant", "toolchain",
    "hermetic", "needs", "outputs", "timeout-minutes"}]}, each variant of a matrix by itself. "task" is what
    `buildbox run` takes; it runs what that needs, too. Time-outs are in minutes, and are those of a job.

    In a workflow of GitHub's, a first job sets an output with it, and a second one takes that as its matrix:

      run: echo "matrix=$(buildbox ci matrix)" >> "$GITHUB_OUTPUT"

      matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}

    There, hand a task to the shell as a variable (env: TASK: ${{ matrix.task }}) and run "$TASK". In GitLab,
    a job writes the pipeline itself, and a second one triggers it (trigger: include: artifact):

      buildbox ci gitlab -o child.yml

    Examples:

      buildbox ci matrix

      buildbox ci matrix test
    """
    from buildbox.cli.ci.given import given
    from buildbox.pipelines.jobs import matrix as entries

    call: Call = ctx.obj
    found = given(call, tasks, None, hermetic=hermetic, as_root=False)
    call.console.lines([json.dumps({"include": entries(found.plan)})])
