"""A pipeline for GitLab CI/CD ("CI/CD YAML syntax reference").

Jobs run in a container, mostly, with an engine elsewhere or by its socket. Results are pushed from the
protected default branch alone; which token may write is the project's settings' matter, not the file's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from buildbox.pipelines.jobs import Job
from buildbox.pipelines.scripts import SETTINGS, artifact_globs, bring_images, images_key, login, run_line
from buildbox.pipelines.yaml import Noted, Script, Value, write

FILE = ".gitlab-ci.yml"
IMAGE = "docker.io/library/python:3.12"
_JUNIT = ".buildbox/junit.xml"
# GitLab caches nothing outside of the project's folder; this is where no task sees it.
_CACHE = ".buildbox/state/images"
# "Unavailable names for jobs", and those that mean something else at the top of a file.
_RESERVED = frozenset(
    (
        *("image", "services", "stages", "stage", "types", "before_script", "after_script", "variables"),
        *("cache", "include", "true", "false", "nil", "pages", "default", "workflow", "spec"),
    )
)

_START = f"""\
export BUILDBOX_HOME="$CI_PROJECT_DIR.buildbox"
rm -rf "$BUILDBOX_HOME"
mkdir -p "$BUILDBOX_HOME"
if [ -d {_CACHE}/archive ]; then
  cp -a {_CACHE}/archive "$BUILDBOX_HOME/archive"
fi
python3 -m venv "$BUILDBOX_HOME/venv"
"$BUILDBOX_HOME/venv/bin/python" -m pip install --quiet -- "$BUILDBOX_REQUIREMENT"
export PATH="$BUILDBOX_HOME/venv/bin:$PATH"
RESULTS=pull
if [ "$CI_COMMIT_BRANCH" = "$CI_DEFAULT_BRANCH" ] && [ "$CI_COMMIT_REF_PROTECTED" = true ]; then
  RESULTS=push
fi
REGISTRY_USER=$BUILDBOX_REGISTRY_USER REGISTRY_PASSWORD=$BUILDBOX_REGISTRY_PASSWORD
if [ -z "$REGISTRY_PASSWORD" ] && [ "${{BUILDBOX_ARCHIVE%%/*}}" = "$CI_REGISTRY" ]; then
  REGISTRY_USER=$CI_REGISTRY_USER REGISTRY_PASSWORD=$CI_REGISTRY_PASSWORD
fi
"""

_DOCKER = "$BUILDBOX_HOME/docker"
_LOGIN = login(_DOCKER, f'export DOCKER_CONFIG="{_DOCKER}"')

_KEEP = f"""\
if [ ! -d {_CACHE}/archive ]; then
  mkdir -p {_CACHE}
  cp -a "$BUILDBOX_HOME/archive" {_CACHE}/archive
fi
"""


@dataclass(frozen=True)
class Wanted:
    """What a pipeline is to be like, beside its jobs."""

    requirement: str
    archive: str  # a remote archive, unless a variable of the project says another; "": none
    image: str = IMAGE  # that jobs run in, unless a variable says another
    folder: str = ""  # of the project in its repository; "" is the top
    options: tuple[str, ...] = ()  # of every `buildbox run`


def pipeline(jobs: Sequence[Job], wanted: Wanted) -> str:
    """The text of a pipeline with `jobs`."""
    names = {job.name: _name(job.name) for job in jobs}
    document: dict[str, Value] = {
        "workflow": {
            "auto_cancel": {"on_new_commit": "interruptible"},
            "rules": [
                {  # pushed results and what releases things aren't cut short, as on GitHub
                    "if": "$CI_COMMIT_BRANCH && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
                    "auto_cancel": {"on_new_commit": "none"},
                },
                {"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'},  # whose own rules have decided
                {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                {  # the same push starts one for the merge request; a schedule or a person starts this alone
                    "if": '$CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS && $CI_PIPELINE_SOURCE == "push"',
                    "when": "never",
                },
                {"if": "$CI_COMMIT_BRANCH"},
            ],
        },
        "variables": Noted(
            {
                "BUILDBOX_REQUIREMENT": literal(wanted.requirement),
                "BUILDBOX_ARCHIVE": literal(wanted.archive),
                "BUILDBOX_IMAGE": literal(wanted.image),
            },
            above=(
                "Variables of the project go before what is written here: what pip installs, a remote",
                "archive for images and results, such as registry.example.com/group/project/archive, and the",
                "image that jobs run in, which has python3 with venv, and git.",
            ),
        ),
        ".buildbox": Noted(
            {
                "image": "$BUILDBOX_IMAGE",
                "interruptible": True,
                "before_script": [Script(_enter(wanted) + _START + SETTINGS + _LOGIN)],
                "after_script": ['rm -rf "$CI_PROJECT_DIR.buildbox"'],
            },
            above=("The engine is the runner's: at DOCKER_HOST, or at the usual socket.",),
        ),
        **{names[job.name]: _noted(job, _job(job, names, wanted)) for job in jobs},
    }
    return write(document)


def literal(text: str) -> str:
    """`text` where GitLab looks for variables, none of which is in it."""
    return text.replace("$", "$$")


def _job(job: Job, names: Mapping[str, str], wanted: Wanted) -> dict[str, Value]:
    prefix = f"{wanted.folder}/" if wanted.folder else ""
    images = bring_images(job) + _KEEP
    images += 'if [ -n "$BUILDBOX_ARCHIVE" ] && [ "$RESULTS" = push ]; then\n'
    images += f"  buildbox archive push {' '.join(job.images)}\nfi\n"
    artifacts: dict[str, Value] = {
        "when": "always",
        "reports": {"junit": literal(prefix) + _JUNIT},
    }
    if job.provenance:
        artifacts["paths"] = [literal(prefix) + glob for glob in artifact_globs(job.outputs)]
    return {
        "extends": ".buildbox",
        # Waited for only: a job makes what it needs itself, and files of others would be inputs.
        "needs": [{"job": names[name], "artifacts": False} for name in job.needs],
        **({"parallel": {"matrix": [{"VARIANT": list(map(literal, job.variants))}]}} if job.variants else {}),
        "timeout": f"{job.minutes} minutes",
        "cache": {
            "key": {"files": [f"{prefix}.buildbox.toml"], "prefix": images_key(job)},
            "paths": [f"{literal(prefix)}{_CACHE}/"],
        },
        "script": [
            Script(images),
            Script(run_line(job, wanted.options, _JUNIT)),
        ],
        "artifacts": artifacts,
    }


def _noted(job: Job, value: dict[str, Value]) -> Value:
    lines = [job.description] if job.description else []
    if job.secrets:
        lines.append(f"Takes the project's variables {', '.join(job.secrets)}, which should be masked.")
    if job.passed:
        lines.append(f"Gets {', '.join(job.passed)} where the job's environment has it.")
    return Noted(value, above=tuple(lines)) if lines else value


def _enter(wanted: Wanted) -> str:
    return f'cd "$CI_PROJECT_DIR"/{quote(wanted.folder)}\n' if wanted.folder else ""


def _name(name: str) -> str:
    """A job's name: the task's, unless that means something else in the file."""
    return f"task {name}" if name.lower() in _RESERVED else name
