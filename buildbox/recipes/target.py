"""The Python that wheels are for: the one that a lock installs, whatever Python buildbox runs in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from buildbox.errors import ConfigError, ImageError
from buildbox.recipes.lock import Package

_MACHINES = {  # Debian's names, https://wiki.debian.org/SupportedArchitectures, to those of `uname -m`
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armhf": "armv7l",
    "i386": "i686",
    "ppc64el": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
# PEP 600: the first glibc of a platform's manylinux tags, and the names from before there was a scheme.
_FIRST = {"x86_64": 5, "i686": 5}
_FIRST_ELSEWHERE = 17
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """What a wheel must fit."""

    python: str  # "3.11.2"
    machine: str  # "x86_64"
    glibc: int  # 36 for glibc 2.36

    @property
    def series(self) -> str:
        """ "3.11"."""
        return ".".join(self.python.split(".")[:2])

    @property
    def abi(self) -> str:
        """ "cp311" (PEP 425)."""
        return "cp" + self.series.replace(".", "")

    @property
    def platforms(self) -> tuple[str, ...]:
        """All platform tags that fit, best first; older pips don't know that a new glibc takes old tags."""
        tags = []
        for minor in range(self.glibc, _FIRST.get(self.machine, _FIRST_ELSEWHERE) - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _OLD_NAMES:
                tags.append(f"{_OLD_NAMES[minor]}_{self.machine}")
        return (*tags, f"linux_{self.machine}")

    @property
    def environment(self) -> dict[str, str]:
        """What markers ask for (PyPA: dependency specifiers, "Environment Markers").

        Of the kernel nothing is said: it is that of whoever runs the image.
        """
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.series,
            "sys_platform": "linux",
            "extra": "",
        }


def target_of(packages: Iterable[Package], architecture: str) -> Target:
    """The Python among a lock's packages. Raises ConfigError where there is none, ImageError where no
    wheels are made for Debian's `architecture`."""
    versions = {package.name: package.version for package in packages}
    python = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)", versions.get("python3", ""))
    glibc = re.match(r"2\.(\d+)", versions.get("libc6", ""))
    if not python or not glibc:
        raise ConfigError(
            "the recipe has Python requirements but no Python for them",
            "Add python3 to its debian.packages.",
        )
    if architecture not in _MACHINES:
        raise ImageError(f"wheels for Debian's architecture {architecture!r} can't be had")
    return Target(python[1], _MACHINES[architecture], int(glibc[1]))
