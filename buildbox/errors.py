"""Every way in which buildbox itself can fail, with its exit status, in one table.

A task's own exit status passes through unchanged; these are buildbox's own faults only.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """buildbox's own exit statuses, as documented in the README."""

    OK = 0
    USAGE = 2  # usage or configuration
    CANT_TELL = 119  # verification or reproduction can't tell: something that it takes is missing
    ENGINE = 120  # no engine, or the engine failed
    IMAGE = 121  # an image can't be had, or its digest is wrong
    DIFFERENT = 122  # verification or reproduction found a difference
    ARCHIVE = 123  # archive damaged or unusable
    TIMEOUT = 124
    BUG = 125
    INTERRUPTED = 130  # SIGINT
    BROKEN_PIPE = 141  # SIGPIPE: whoever read our stdout went away
    TERMINATED = 143  # SIGTERM


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
