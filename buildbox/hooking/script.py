"""The commit hook that buildbox writes: a shell script, which git finds by its name (githooks(5)).

It calls the hook that was there before, then `buildbox hook run` for each project that it was installed for.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

NAME = "pre-commit"
BEFORE = f"{NAME}.before-buildbox"  # beside it: the hook that was there
_MARK = "# Written by `buildbox hook install`; `buildbox hook uninstall` takes it away."
_FACTS = "# facts: "

# Editors and desktops start git with a PATH of their own, so the buildbox that wrote it is named in full.
_TEXT = r"""#!/bin/sh
{mark}
{facts}
before=${{0%/*}}/{before}
if [ -n "$PRE_COMMIT_RUNNING_LEGACY" ] && grep -qs hook-impl "$before"; then
    : # the pre-commit framework is what calls this, and what was there before
elif [ -x "$before" ]; then
    "$before" "$@" || exit
fi
run() {{ {line} "$@"; }}
if [ ! -x {program} ]; then
    if ! command -v buildbox >/dev/null; then
        echo "buildbox: the commit hook finds no buildbox: neither" {program} "nor one on the PATH" >&2
        echo "  To commit without the check: git commit --no-verify; to remove the hook: rm $0" >&2
        exit 1
    fi
    run() {{ buildbox "$@"; }}
fi
{calls}
"""


@dataclass(frozen=True)
class Script:
    """What a hook of ours does."""

    program: tuple[str, ...]  # the buildbox that wrote it: a file, and words that come before the verb
    projects: tuple[str, ...]  # their folders in the repository, sorted; "" for its top
    made: bool  # the folder of hooks wasn't there before

    def text(self) -> str:
        """The whole file."""
        calls = (f"run -C {shlex.quote(f'./{project}')} hook run || exit" for project in self.projects)
        return _TEXT.format(
            mark=_MARK,
            facts=f"{_FACTS}{json.dumps(vars(self))}",
            before=BEFORE,
            line=shlex.join(self.program),
            program=shlex.quote(self.program[0]),
            calls="\n".join(calls),
        )


def read_script(text: str) -> Script | None:
    """What `Script.text` made; None for any other hook."""
    lines = text.splitlines()[1:3]
    if len(lines) < 2 or lines[0] != _MARK or not lines[1].startswith(_FACTS):
        return None
    try:
        match json.loads(lines[1][len(_FACTS) :]):
            case {"program": [str(), *_] as program, "projects": [*projects], "made": bool(made)}:
                return Script(tuple(map(str, program)), tuple(map(str, projects)), made)
    except ValueError:
        pass
    return None
