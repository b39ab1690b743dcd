"""The programs that make an image from packages: how they are run, and what they say of themselves.

A `Tools` runs them on this machine (`hosttools.py`) or in a container that sees the workplace under the same
path (`toolchains/builder.py`), so a command is the same for both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from buildbox.errors import ImageError
from buildbox.recipes.workplace import Workplace

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # where Debian's tools are; the caller's own PATH isn't asked
# For programs whose words are read: a fixed language.
PLAIN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "C", "DEBIAN_FRONTEND": "noninteractive"}
PACKAGES = ("apt", "dpkg", "gzip", "mmdebstrap", "tar")  # all that touch the image's bytes
_PROGRAMS = {"apt-get": "apt", "dpkg-deb": "dpkg", "gzip": "gzip", "mmdebstrap": "mmdebstrap", "tar": "tar"}
NOT_FOUND = 127  # status of a program that isn't there, as of a shell


@dataclass(frozen=True)
class Command:
    """A program to run. All files that it writes are in the workplace."""

    argv: tuple[str, ...]
    place: Workplace | None = None  # None: it needs no files
    env: Mapping[str, str] = field(default_factory=dict)  # all that it sees, but for PATH
    reads: tuple[Path, ...] = ()  # folders besides the place
    network: bool = False  # it talks to mirrors: it gets the caller's proxies and certificates, too
    # It makes a root file system: it gets a TMPDIR where files may have any owner, may mount things where
    # that is possible at all, has no network, and none of its processes outlives it.
    isolated: bool = False


@dataclass(frozen=True)
class Finished:
    """What a program has said until its end."""

    status: int  # 128+n for a death by signal n
    output: str
    errors: str


class Tools(Protocol):
    """Runs commands, one at a time. What they write belongs to the caller."""

    @property
    def as_root(self) -> bool:
        """Whether commands run as root; else making a root file system takes user namespaces."""

    def run(
        self,
        command: Command,
        on_line: Callable[[str], None] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Finished:
        """Runs a program to its end; `on_line` gets each line of its stderr, `watch` is called now and then.

        Status NOT_FOUND where there is no such program. An exception, an interrupt too, stops the program
        and all that it has started before it passes on.
        """


def missing_tools(path: str = PATH) -> list[str]:
    """The Debian packages whose programs this machine lacks."""
    return [package for program, package in _PROGRAMS.items() if not shutil.which(program, path=path)]


def need_tools(recipe: str, path: str = PATH) -> None:
    """Raises ImageError, saying what to install, where one of the programs is missing."""
    missing = missing_tools(path)
    if not missing:
        return
    reason = f"recipe {recipe} can't be built on this machine: it lacks {', '.join(missing)}"
    if {"apt", "dpkg"} & set(missing):
        raise ImageError(
            reason,
            "Build it in a container (--tools container), or on Debian 12 or later, where mmdebstrap can be\n"
            "installed (a virtual machine will do), and copy the archive from there.",
        )
    raise ImageError(reason, f"Run as root: apt-get install {' '.join(missing)}")


def tool_versions(tools: Tools) -> tuple[tuple[str, str], ...]:
    """Name and version of the Debian package of each tool; those that dpkg doesn't know are left out."""
    argv = ("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES)
    pairs = (line.split() for line in tools.run(Command(argv, env=PLAIN)).output.splitlines())
    return tuple(sorted((pair[0], pair[1]) for pair in pairs if len(pair) == 2))


def architecture(tools: Tools) -> str:
    """Debian's name for the architecture of `tools`. Raises ImageError."""
    done = tools.run(Command(("dpkg", "--print-architecture"), env=PLAIN))
    if done.status:
        raise ImageError(f"dpkg can't tell its architecture: {done.errors.strip() or done.status}")
    return done.output.strip()
