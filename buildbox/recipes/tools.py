"""The programs that make an image from packages, and what they say of themselves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from buildbox.errors import ImageError
from buildbox.recipes.apt import PATH, environment

PACKAGES = ("apt", "dpkg", "gzip", "mmdebstrap", "tar")  # all that touch the image's bytes
_PROGRAMS = {"apt-get": "apt", "dpkg-deb": "dpkg", "gzip": "gzip", "mmdebstrap": "mmdebstrap", "tar": "tar"}


def need_tools(recipe: str, path: str = PATH) -> None:
    """Raises ImageError, saying what to install, where one of the programs is missing."""
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program, path=path)]
    if not missing:
        return
    reason = f"recipe {recipe} can't be built on this machine: it lacks {', '.join(missing)}"
    if {"apt", "dpkg"} & set(missing):
        raise ImageError(
            reason,
            "Build it on Debian 12 or later (a virtual machine will do), where mmdebstrap can be installed,\n"
            "and copy the archive from there.",
        )
    raise ImageError(reason, f"Run as root: apt-get install {' '.join(missing)}")


def tool_versions(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Name and version of the Debian package of each tool; those that dpkg doesn't know are left out."""
    argv = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES]
    done = subprocess.run(argv, env=environment(env), capture_output=True, text=True, check=False)
    pairs = (line.split() for line in done.stdout.splitlines())
    return tuple(sorted((pair[0], pair[1]) for pair in pairs if len(pair) == 2))


def architecture(env: Mapping[str, str]) -> str:
    """Debian's name for this machine's architecture."""
    argv = ["dpkg", "--print-architecture"]
    return subprocess.run(
        argv, env=environment(env), capture_output=True, text=True, check=True
    ).stdout.strip()
