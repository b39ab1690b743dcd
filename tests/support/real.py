"""The real projects of tests/integration/graph/projects, made ready to be run as a user runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.catalogue import Toolchains
from tests.support.project import ME, REPOSITORY, STRANGER, Caller, Project, lend_archive, let_others_pass

PROJECTS = REPOSITORY / "tests/integration/graph/projects"
CALLER = Caller(STRANGER, STRANGER) if ME.uid == 0 else ME  # another user than root where that can be had
_PASSED_ON = ("PIP_INDEX_URL", "npm_config_registry")  # where this machine's registries are, if it says so


def real_project(
    name: str,
    folder: Path,
    toolchains: Toolchains,
    mirror: str,
    recipes: Mapping[str, str],
    images: Mapping[str, str] | None = None,
) -> Project:
    """The project `name` in `folder`, with an archive of its own that has its images.

    `recipes` are those of its toolchains; `images`, by words in the text of its tasks, those of its services.
    """
    let_others_pass(folder)
    toolchains.start([*recipes.values(), *(images or {}).values()])
    env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    project = Project(folder / name, folder / "home", CALLER, {**env, "MIRROR": mirror}, patience=300)
    project.home.mkdir()
    shutil.copytree(PROJECTS / name, project.root)
    text = (project.root / "tasks.toml").read_text()
    (project.root / "tasks.toml").unlink()
    for word, recipe in (images or {}).items():
        text = text.replace(f"{{{word}}}", str(toolchains.get(recipe).pin))
    pins = {toolchain: toolchains.get(recipe) for toolchain, recipe in recipes.items()}
    head = "".join(f'[toolchains.{key}]\nimage = "{found.pin}"\n\n' for key, found in pins.items())
    # What these tests keep isn't for the next ones: they would find it.
    lend_archive(next(iter(pins.values())).archive, project.home, CALLER, apart=True)
    project.write({".buildbox.toml": head + text})
    return project


def git(project: Project, *arguments: str) -> str:
    """What git says to the project's caller, in its folder."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    command = project.caller.command(["git", *who, *arguments])
    env = {**project.environment(), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout


def commit(project: Project) -> str:
    """A repository with what is in the project's folder; gives the commit's id."""
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "x")
    return git(project, "rev-parse", "HEAD").strip()
