"""Every way in which buildbox itself can fail, with its exit status, in one table.

A task's own exit status passes through unchanged; these are buildbox's own faults only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum


class Exit(IntEnum):
    """buildbox's own exit statuses."""

    OK = 0
    USAGE = 2
    CANT_TELL = 119
    ENGINE = 120
    IMAGE = 121
    DIFFERENT = 122
    ARCHIVE = 123
    TIMEOUT = 124
    BUG = 125
    INTERRUPTED = 130  # SIGINT
    BROKEN_PIPE = 141  # SIGPIPE
    TERMINATED = 143  # SIGTERM


MEANINGS: Mapping[Exit, str] = {  # for people; the reference is made of it
    Exit.OK: "all went well",
    Exit.USAGE: "usage or configuration",
    Exit.CANT_TELL: "verification or reproduction can't tell: something that it takes is missing",
    Exit.ENGINE: "no engine, or the engine failed",
    Exit.IMAGE: "an image can't be had, isn't pinned, or its digest is wrong",
    Exit.DIFFERENT: "verification or reproduction found a difference",
    Exit.ARCHIVE: "the archive is damaged or unusable",
    Exit.TIMEOUT: "a task took longer than its timeout",
    Exit.BUG: "a bug in buildbox; a log to paste is named",
    Exit.INTERRUPTED: "interrupted by Ctrl-C (128 + the signal's number)",
    Exit.BROKEN_PIPE: "whoever read the output has gone (128 + SIGPIPE)",
    Exit.TERMINATED: "terminated (128 + SIGTERM)",
}


class BuildboxError(Exception):
    """An expected failure: what is wrong and where (`reason`), and what to do (`hint`).

    Shown once, by the command line, as `buildbox: reason` and the hint on the lines below.
    """

    exit = Exit.BUG

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class UsageError(BuildboxError):
    """The command line asks for something that can't be done."""

    exit = Exit.USAGE


class ConfigError(BuildboxError):
    """One or more problems of a configuration file, all of them reported together.

    `problems` are the single lines, each with its place (`FILE:LINE: key.path: what is wrong`).
    """

    exit = Exit.USAGE

    def __init__(self, reason: str, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(reason, hint)
        self.problems = tuple(problems)


class NotAllowed(BuildboxError):
    """The project asks for what only the user may grant (SPEC section 2, Trust).

    `options` are the command line's that grant it once.
    """

    exit = Exit.USAGE

    def __init__(self, reason: str, hint: str = "", options: Sequence[str] = ()) -> None:
        super().__init__(reason, hint)
        self.options = tuple(options)


class EngineError(BuildboxError):
    """No engine answers, or it failed while it worked for us."""

    exit = Exit.ENGINE


class ImageError(BuildboxError):
    """An image can't be had, isn't pinned, or its bytes aren't those of its digest."""

    exit = Exit.IMAGE


class ArchiveError(BuildboxError):
    """The archive is damaged, full, unreadable or of a format that this version doesn't know."""

    exit = Exit.ARCHIVE


class CantTell(BuildboxError):
    """Whether something is what it should be can't be told here; `missing` says all that it would take."""

    exit = Exit.CANT_TELL

    def __init__(self, reason: str, hint: str = "", missing: Sequence[str] = ()) -> None:
        super().__init__(reason, "\n".join([*missing, *filter(None, [hint])]))
        self.missing = tuple(missing)


class Mismatch(BuildboxError):
    """Something isn't what a statement, a signature or a digest says of it."""

    exit = Exit.DIFFERENT
