"""Exit statuses: what each means, and the faults that end so."""

from __future__ import annotations

import re
from inspect import cleandoc

from buildbox import errors
from buildbox.errors import MEANINGS, BuildboxError, Exit
from scripts.reference.markdown import table

_HEAD = """\
# Exit status

`buildbox run`, `exec` and `shell` end with the task's own status, unchanged; of several tasks with that of
the first one that failed. These are buildbox's own:

"""
_OF_SPEC = re.compile(r" \(SPEC[^)]*\)")
_TAIL = """
A task may well end with one of these numbers itself: `buildbox run` says on stderr what came to an end, and
`--json` says so for programs ([events](commands.md#buildbox-run)). What buildbox has to say begins with
`buildbox:`, and the lines below it say what to do.

## Which faults end so

"""


def statuses() -> str:
    """The page."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    faults = sorted(
        (kind.exit, _OF_SPEC.sub("", cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")))
        for kind in kinds
        if issubclass(kind, BuildboxError) and kind is not BuildboxError
    )
    return (
        _HEAD
        + table(("status", "means"), [(str(status.value), MEANINGS[status]) for status in Exit])
        + _TAIL
        + table(("status", "when"), [(str(status.value), text) for status, text in faults])
    )
