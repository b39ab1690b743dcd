"""What goes wrong with trees: on the disk, while others change them, or by what a task made."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from buildbox.errors import BuildboxError, Exit

_SHOWN = 20  # problems in one message
_LONG = 200  # characters of a path that a message shows
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HINTS = {
    errno.EACCES: "Make it readable and writable for you, folders too.",
    errno.EPERM: "It belongs to another user, or is protected: change that, or remove it as root.",
    errno.EROFS: "The disk is mounted read-only.",
    errno.EMFILE: "Too many folders are nested in each other there, or `ulimit -n` is too low.",
    **dict.fromkeys(_FULL, "Free some space there and run the command again."),
}


class TreeError(BuildboxError):
    """Files of the project, of a stage or of outputs can't be read or written."""

    exit = Exit.USAGE


class Changed(TreeError):
    """A file isn't what it was when the inputs were looked at: look again, and start anew."""


class OutputRefused(TreeError):
    """A task made outputs that aren't taken in. `problems` are all of them, each a line with its path."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        shown = self.problems[:_SHOWN]
        if more := len(self.problems) - len(shown):
            shown = (*shown, f"and {more} more")
        super().__init__(
            "the task's outputs are refused:" + "".join(f"\n  {problem}" for problem in shown),
            "Nothing of it came into the project. Have the task make plain files, folders and relative links "
            "within the project only.",
        )


def shown(path: str) -> str:
    """A path for a message: on one line, and of a length to read, whatever is in it."""
    if len(path) > _LONG:
        path = f"{path[:_LONG]}..."
    return path if path.isprintable() else ascii(path)


@contextmanager
def explained(what: str, path: str) -> Iterator[None]:
    """Says what an OSError means that `path` gave: "{path} can't be {what}". Raises TreeError."""
    try:
        yield
    except OSError as error:
        raise tree_error(what, path, error) from error


def tree_error(what: str, path: str, error: OSError) -> TreeError:
    """What an OSError means that `path` gave."""
    why = "there is no space left" if error.errno in _FULL else error.strerror or str(error)
    if isinstance(error.filename, str) and not path.endswith(error.filename):
        why = f"{why}: {shown(error.filename)}"
    hint = _HINTS.get(error.errno or 0, "Check that the disk is there and healthy.")
    return TreeError(f"{shown(path)} can't be {what}: {why}", hint)
