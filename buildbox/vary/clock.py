"""Another time of day for a build: libfaketime of this machine, in front of the C library of the image."""

from __future__ import annotations

from pathlib import Path

from buildbox.container import Bind, ContainerSpec
from buildbox.vary.changes import Changes
from buildbox.vary.specs import with_binds, with_env

AHEAD = 34_567_890  # seconds: year, month, day, hour, minute and second are others, whenever it is
_SEEN_AT = "/run/buildbox/clock.so"
_FOLDERS = (  # where distributions have it, in the order in which they are looked at
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
)
_NAME = "libfaketimeMT.so.1"  # for programs with threads, too
_FROZEN = 2_065_248_550  # seconds since the epoch, in 2035


def find_library() -> Path | None:
    """libfaketime on this machine."""
    found = (Path(folder, _NAME) for folder in _FOLDERS)
    return next((path.resolve() for path in found if path.is_file()), None)


def ahead(library: Path) -> Changes:
    """The clock shows a time that is AHEAD, and goes on."""
    return _clock(library, f"+{AHEAD}")


def steady(library: Path) -> Changes:
    """The clock is as it is, but shown by the library: whether it is that what makes a difference."""
    return _clock(library, "+0")


def frozen(library: Path) -> Changes:
    """The clock stands still, at the same moment each time. How long things take can still be measured."""
    return _clock(library, str(_FROZEN), FAKETIME_FMT="%s")  # in any time zone


def bound(library: Path) -> Bind:
    """The library where a container finds it."""
    return Bind(str(library), _SEEN_AT, read_only=True)


def variables(shown: str) -> dict[str, str]:
    """What has a program load it, and show the time `shown`, as FAKETIME has it (libfaketime's README).

    The times of files are left alone: those are the kernel's.
    """
    return {
        "LD_PRELOAD": _SEEN_AT,
        "FAKETIME": shown,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # for older C libraries; with it, Java waits ten times as long
        "NO_FAKE_STAT": "1",
    }


def _clock(library: Path, shown: str, **more: str) -> Changes:
    def spec(given: ContainerSpec) -> ContainerSpec:
        return with_env(with_binds(given, bound(library)), **variables(shown), **more)

    return Changes(spec=spec)
