"""This very checkout as others get it: a clone, a package, and what it depends on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.project import REPOSITORY

GIT = ("git", "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main")
BUILDS_IT = "hatchling>=1.24"  # pyproject.toml, [build-system]


def checkout_files(*, new: bool = True) -> list[str]:
    """What git tracks here, and, if `new`, what it would add."""
    others = ["--others", "--exclude-standard"] if new else []
    command = ["git", "ls-files", "-z", "--cached", *others]
    # A hook's own GIT_DIR may be around these tests.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(command, cwd=REPOSITORY, env=env, check=True, capture_output=True).stdout
    return [name for name in os.fsdecode(listed).split("\0") if name and (REPOSITORY / name).exists()]


def copy_checkout(folder: Path) -> Path:
    """A repository with one commit, tagged v0.0.0: the checkout as it is now, committed or not."""
    for name in checkout_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target)
    for line in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "all of it"), ("tag", "v0.0.0")):
        subprocess.run([*GIT, *line], cwd=folder, check=True)
    return folder


def download(folder: Path, *requirements: str) -> Path:
    """The wheels of `requirements`, and of all that they need, from where this machine's pip has its own."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--prefer-binary", "-d", str(folder)]
    subprocess.run([*command, *requirements], check=True)
    return folder
