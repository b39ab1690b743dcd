"""A workflow for GitHub Actions ("Workflow syntax for GitHub Actions").

One job may write packages: `archive`, which runs on pushes to the default branch alone, and brings images and
results to the remote archive. All others read. Actions are pinned by commit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildbox.pipelines.jobs import Job
from buildbox.pipelines.scripts import SETTINGS, artifact_globs, bring_images, images_key, login, run_line
from buildbox.pipelines.yaml import Noted, Script, Value, write

FILE = ".github/workflows/buildbox.yml"
ACTIONS = {  # the commits that these releases' tags name
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/cache/restore": ("27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    "actions/cache/save": ("27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
}
_PYTHON = "3.12"
_HOME = "${{ runner.temp }}/buildbox"
_JUNIT = "$RUNNER_TEMP/buildbox-junit.xml"
_DEFAULT_BRANCH = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
_NOT_A_FORK = (
    "(github.event_name != 'pull_request' || "
    "github.event.pull_request.head.repo.full_name == github.repository)"
)

_INSTALL = """\
python3 -m venv "$RUNNER_TEMP/buildbox-venv"
"$RUNNER_TEMP/buildbox-venv/bin/python" -m pip install --quiet -- "$BUILDBOX_REQUIREMENT"
echo "$RUNNER_TEMP/buildbox-venv/bin" >> "$GITHUB_PATH"
export BUILDBOX_HOME="$RUNNER_TEMP/buildbox"
echo "BUILDBOX_HOME=$BUILDBOX_HOME" >> "$GITHUB_ENV"
mkdir -p "$BUILDBOX_HOME"
"""
_DOCKER = "$RUNNER_TEMP/docker"
_LOGIN = login(_DOCKER, f'echo "DOCKER_CONFIG={_DOCKER}" >> "$GITHUB_ENV"')


@dataclass(frozen=True)
class Wanted:
    """What a workflow is to be like, beside its jobs."""

    requirement: str
    archive: str  # a remote archive, unless the repository's variable says another; "": none
    branch: str  # pushes to it are built
    folder: str = ""  # of the project in its repository; "" is the top
    options: tuple[str, ...] = ()  # of every `buildbox run`


def workflow(jobs: Sequence[Job], keep: Job, wanted: Wanted) -> str:
    """The text of a workflow with `jobs`; `keep` is what the job runs that fills the remote archive."""
    ids = _ids([job.name for job in jobs])
    document: dict[str, Value] = {
        "name": "buildbox",
        "on": {
            "push": {"branches": [branch_pattern(wanted.branch)]},
            "pull_request": {},
            "workflow_dispatch": {},
        },
        "permissions": {"contents": "read"},
        "concurrency": {
            "group": "${{ github.workflow }}-${{ github.ref }}",
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
        "env": Noted(
            {
                "BUILDBOX_REQUIREMENT": _variable("BUILDBOX_REQUIREMENT", wanted.requirement),
                "BUILDBOX_ARCHIVE": _variable("BUILDBOX_ARCHIVE", wanted.archive),
            },
            above=(
                "Variables of the repository go before what is written here: what pip installs, and a remote",
                "archive for images and results, such as ghcr.io/owner/name/archive. GitHub gives them to no",
                "pull request of a fork: those have what is written here.",
            ),
        ),
        "defaults": {"run": {"shell": "bash", **_folder(wanted)}},
        "jobs": {
            "archive": Noted(
                _archive_job(keep, wanted),
                above=(
                    "Fills the remote archive, for the jobs below and for people. Only here, on the default",
                    "branch, may anything be written.",
                ),
            ),
            **{ids[job.name]: _noted(job, _task_job(job, ids, wanted)) for job in jobs},
        },
    }
    return write(document)


def literal(text: str) -> str:
    """`text` where GitHub looks for expressions, none of which is in it."""
    return text.replace("${{", "${{ '${{' }}")


def branch_pattern(name: str) -> str:
    """A branch as the pattern that GitHub wants ("Filter pattern cheat sheet"), where two signs mean more."""
    return re.sub(r"[+!]", r"\\\g<0>", name)


def quoted(text: str) -> str:
    """`text` as a string in an expression ("Evaluate expressions", Literals)."""
    return "'" + text.replace("'", "''") + "'"


def _archive_job(keep: Job, wanted: Wanted) -> dict[str, Value]:
    archive = f"({_alternatives('BUILDBOX_ARCHIVE', wanted.archive)}) != ''"
    condition = f"${{{{ {archive} && github.event_name == 'push' && {_DEFAULT_BRANCH} }}}}"
    steps: list[Value] = [*_setup(keep, wanted, "push")]
    if keep.addresses:
        steps.append(_run_step(keep, wanted))
    push = f"buildbox archive push {' '.join(keep.images)}\n"
    steps.append({"name": "Keep the images", "if": "${{ !cancelled() }}", "run": Script(push)})
    return {
        "if": condition,
        "runs-on": _runner(),
        "timeout-minutes": keep.minutes,
        "permissions": {"contents": "read", "packages": "write"},
        "steps": steps,
    }


def _task_job(job: Job, ids: Mapping[str, str], wanted: Wanted) -> dict[str, Value]:
    needs = [ids[name] for name in job.needs]
    # A job that was skipped would have all be skipped that need it, if it weren't for such a condition.
    condition = ["!cancelled()", *(f"needs.{each}.result == 'success'" for each in needs)]
    condition += [_NOT_A_FORK] if job.secrets else []
    variant = " (${{ matrix.variant }})" if job.variants else ""
    matrix: dict[str, Value] = {
        "strategy": {"fail-fast": False, "matrix": {"variant": [literal(text) for text in job.variants]}}
    }
    steps = [*_setup(job, wanted, "pull"), _run_step(job, wanted)]
    return {
        "name": f"{job.name}{variant}",
        "needs": ["archive", *needs],
        "if": f"${{{{ {' && '.join(condition)} }}}}",
        "runs-on": _runner(),
        "timeout-minutes": job.minutes,
        "permissions": {"contents": "read", "packages": "read"},
        **(matrix if job.variants else {}),
        "steps": [*steps, *_uploads(job, wanted)],
    }


def _setup(job: Job, wanted: Wanted, results: str) -> list[Value]:
    """The steps up to where tasks can run."""
    configuration = quoted(f"{wanted.folder}/.buildbox.toml".lstrip("/"))
    machine = "${{ runner.os }}-${{ runner.arch }}"
    key = f"buildbox-{machine}-{images_key(job)}-${{{{ hashFiles({configuration}) }}}}"
    cache: dict[str, Value] = {"path": f"{_HOME}/archive", "key": key}
    token = f"startsWith({_alternatives('BUILDBOX_ARCHIVE', wanted.archive)}, 'ghcr.io/') && github.token"
    return [
        _use("actions/checkout", {"persist-credentials": False}),
        _use("actions/setup-python", {"python-version": _PYTHON}),
        {"name": "Install buildbox", "run": Script(_INSTALL)},
        {
            "name": "Set up the archive",
            "env": {
                "RESULTS": results,
                "REGISTRY_USER": "${{ secrets.BUILDBOX_REGISTRY_USER || github.actor }}",
                "REGISTRY_PASSWORD": f"${{{{ secrets.BUILDBOX_REGISTRY_PASSWORD || ({token}) || '' }}}}",
            },
            "run": Script(SETTINGS + _LOGIN),
        },
        {**_use("actions/cache/restore", cache), "id": "cache"},
        {"name": "Bring the images", "run": Script(bring_images(job))},
        {
            "if": "${{ steps.cache.outputs.cache-hit != 'true' }}",
            **_use("actions/cache/save", cache),
        },
    ]


def _run_step(job: Job, wanted: Wanted) -> dict[str, Value]:
    env: dict[str, Value] = {name: f"${{{{ secrets.{name} }}}}" for name in job.secrets}
    if job.variants:
        env = {"VARIANT": "${{ matrix.variant }}", **env}
    return {
        "name": "Run",
        **({"env": env} if env else {}),
        "run": Script(literal(run_line(job, wanted.options, _JUNIT))),
    }


def _uploads(job: Job, wanted: Wanted) -> list[Value]:
    # No name of a task has a space, so no two artifacts have the same. A job run again replaces its.
    name = f"{job.name} ${{{{ strategy.job-index }}}}" if job.variants else job.name
    prefix = f"{wanted.folder}/" if wanted.folder else ""
    steps: list[Value] = [
        {
            "if": "${{ !cancelled() }}",
            **_use(
                "actions/upload-artifact",
                {
                    "name": f"{name} (junit)",
                    "path": "${{ runner.temp }}/buildbox-junit.xml",
                    "if-no-files-found": "ignore",
                    "overwrite": True,
                },
            ),
        }
    ]
    if job.provenance:
        paths = "".join(f"./{literal(prefix)}{glob}\n" for glob in artifact_globs(job.outputs))
        files: dict[str, Value] = {"name": name, "path": Script(paths)}
        options: dict[str, Value] = {"include-hidden-files": True, "overwrite": True}
        steps.append(_use("actions/upload-artifact", files | options))
    return steps


def _use(action: str, inputs: Mapping[str, Value]) -> dict[str, Value]:
    commit, version = ACTIONS[action]
    return {"uses": Noted(f"{action}@{commit}", behind=version), "with": inputs}


def _noted(job: Job, value: dict[str, Value]) -> Value:
    lines = [job.description] if job.description else []
    if job.secrets:
        lines.append(f"Takes the repository's secrets {', '.join(job.secrets)}; so it isn't run for forks.")
    if job.passed:
        lines.append(f"Gets {', '.join(job.passed)} where the job's environment has it.")
    return Noted(value, above=tuple(lines)) if lines else value


def _runner() -> str:
    return "${{ vars.BUILDBOX_RUNNER || 'ubuntu-24.04' }}"


def _variable(name: str, otherwise: str) -> str:
    return f"${{{{ {_alternatives(name, otherwise)} }}}}"


def _alternatives(name: str, otherwise: str) -> str:
    return f"vars.{name} || {quoted(otherwise)}"


def _folder(wanted: Wanted) -> dict[str, Value]:
    return {"working-directory": literal(f"./{wanted.folder}")} if wanted.folder else {}


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Ids of jobs: letters, digits, "-" and "_", a letter or "_" first; no two that differ in case alone."""
    found: dict[str, str] = {}
    taken = {"archive"}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        plain = plain if plain[0].isalpha() or plain[0] == "_" else f"_{plain}"
        number, given = 2, plain
        while given.lower() in taken:
            given, number = f"{plain}-{number}", number + 1
        taken.add(given.lower())
        found[name] = given
    return found
