"""What is varied, and what it takes to mend a build that it makes a difference for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox import identity
from buildbox.container import HOSTNAME, SOURCE, Bind, ContainerSpec
from buildbox.vary import clock
from buildbox.vary.changes import Changes, together
from buildbox.vary.specs import (
    moved,
    with_binds,
    with_env,
    with_home,
    with_host_name,
    with_name,
    with_umask,
)

_ELSEWHERE = "/build/of/another/place"
_HOME = "/home/of/another"
_NAME = "another"
_HOST_NAME = "elsewhere"
_UMASK = "0002"
_TIME_ZONE = "GMT-14"  # POSIX's way, which needs no tzdata: 14 hours before UTC; Java takes it for behind it

ORDER = "file-order"
CLOCK = "clock"
CPUS = "cpu-count"
RANDOMNESS = "randomness"
CLOCK_OR_RANDOMNESS = "clock-or-randomness"
TITLES = {
    "build-path": "the folder of the build",
    CLOCK: "the time of the build",
    CLOCK_OR_RANDOMNESS: "the time of the build, or chance",
    CPUS: "the number of CPUs",
    ORDER: "the order in which folders list their files",
    "home": "the home folder",
    "host-name": "the host name",
    "locale": "the locale",
    RANDOMNESS: "chance",
    "time-zone": "the time zone",
    "umask": "the umask",
    "user": "the user",
}
_FOR_TIME = (
    "Take the time from SOURCE_DATE_EPOCH instead of the clock. In archives: tar"
    ' --mtime="@$SOURCE_DATE_EPOCH", gzip -n, jar --date=…, ar D; for zip: touch -d'
    ' "@$SOURCE_DATE_EPOCH" first, then zip -X.'
)
_FOR_CHANCE = (
    "Look for random names, ids and seeds, for sets and maps that are written unsorted, for work side by side"
    " that is written as it ends, and for addresses of memory: PYTHONHASHSEED=0, gcc -frandom-seed=…, sort."
)
REMEDIES = {
    "build-path": (
        "Keep the folder out of what is made: gcc and clang -ffile-prefix-map=$PWD=., rustc"
        " --remap-path-prefix=$PWD=., go build -trimpath; names relative to the project elsewhere."
    ),
    CLOCK: _FOR_TIME,
    CLOCK_OR_RANDOMNESS: f"{_FOR_TIME} {_FOR_CHANCE}",
    CPUS: (
        "Have the same made by any number of CPUs: a fixed number of parts or threads (xz -T1, -flto=1), and"
        " what was made side by side put together in a fixed order."
    ),
    ORDER: (
        "Sort what is read from a folder: sorted(os.listdir()), find … | LC_ALL=C sort, make's $(sort …),"
        " tar --sort=name."
    ),
    "home": "Don't write $HOME, and set no paths by it: give tools that keep files there a fixed folder.",
    "host-name": (
        "Don't write the host name: no hostname, uname -n or $HOSTNAME; tools often have a setting for it"
        " (KBUILD_BUILD_HOST)."
    ),
    "locale": (
        "Set LC_ALL=C.UTF-8 where text is sorted, cased, counted or formatted, and name the encoding where"
        " files are opened."
    ),
    RANDOMNESS: _FOR_CHANCE,
    "time-zone": "Write times as UTC: date -u, gmtime(), datetime.now(timezone.utc); or set TZ=UTC there.",
    "umask": "Set modes where files are packed or installed: tar --mode=…, install -m …, or umask 022.",
    "user": (
        "Keep the user out of what is made: tar --owner=0 --group=0 --numeric-owner; no whoami, id or $USER."
    ),
}


@dataclass(frozen=True)
class Variation:
    """One thing that is different."""

    name: str  # of TITLES
    how: str  # what it was, and is
    changes: Changes

    @property
    def title(self) -> str:
        """What a person calls it."""
        return TITLES[self.name]


@dataclass(frozen=True)
class Unvaried:
    """What couldn't be varied, so that nothing is known of it."""

    name: str
    title: str
    why: str

    def to_json(self) -> dict[str, str]:
        """As `reproduce --json` gives it."""
        return {"name": self.name, "title": self.title, "why": self.why}


def unvaried(name: str, why: str) -> Unvaried:
    """`name` of TITLES."""
    return Unvaried(name, TITLES[name], why)


def all_changes(variations: Iterable[Variation]) -> Changes:
    """Those of all of them at once."""
    return together(variation.changes for variation in variations)


def build_path() -> Variation:
    """Another folder, with a name of another length."""
    changes = Changes(spec=lambda spec: moved(spec, SOURCE, _ELSEWHERE))
    return Variation("build-path", f"{_ELSEWHERE} instead of {SOURCE}", changes)


def other_home(scratch: Path) -> Variation:
    """Another home folder. Files that it takes are made in `scratch`."""
    return Variation(
        "home",
        f"{_HOME} instead of {identity.HOME}",
        Changes(spec=lambda spec: with_home(spec, _HOME, scratch)),
    )


def other_user(uid: int, scratch: Path) -> Variation:
    """Another user than `uid`, with another name. Files that it takes are made in `scratch`."""
    other = "4713:4714" if uid == 4711 else "4711:4712"
    changes = Changes(user=other, spec=lambda spec: with_name(spec, _NAME, scratch))
    return Variation("user", f"{_NAME} ({other})", changes)


def host_name() -> Variation:
    """Another host name."""
    changes = Changes(spec=lambda spec: with_host_name(spec, _HOST_NAME))
    return Variation("host-name", f"{_HOST_NAME} instead of {HOSTNAME}", changes)


def time_zone() -> Variation:
    """Another time zone."""
    return Variation(
        "time-zone", f"{_TIME_ZONE} instead of UTC", Changes(spec=lambda spec: with_env(spec, TZ=_TIME_ZONE))
    )


def locale(name: str) -> Variation:
    """The locale `name`, which the image has."""

    def spec(given: ContainerSpec) -> ContainerSpec:
        return with_env(given, LC_ALL=name, LANG=name)

    return Variation("locale", f"{name} instead of C.UTF-8", Changes(spec=spec))


def umask() -> Variation:
    """Another umask, by the image's shell."""
    changes = Changes(spec=lambda spec: with_umask(spec, _UMASK))
    return Variation("umask", f"{_UMASK} instead of 0022", changes)


def cpu_count(cpu: int, binds: tuple[Bind, ...]) -> Variation:
    """The one CPU `cpu`; `binds` are files in which the kernel would tell of others."""

    def spec(given: ContainerSpec) -> ContainerSpec:
        return replace(with_binds(given, *binds), cpuset=str(cpu))

    return Variation(CPUS, "one", Changes(spec=spec))


def file_order() -> Variation:
    """The other order of files in folders. They lie in memory then, so there is no limit to that."""
    changes = Changes(reversed_order=True, spec=lambda spec: replace(spec, memory=None))
    return Variation(ORDER, "the other way round", changes)


def clock_ahead(library: Path) -> Variation:
    """A time more than a year from now; `library` is libfaketime."""
    how = f"{clock.AHEAD // 86400} days ahead, for programs that ask the image's C library"
    return Variation(CLOCK, how, clock.ahead(library))
