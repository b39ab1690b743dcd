"""Lines that GitHub Actions takes for commands: annotations, which it shows beside the run and its code.

Source: "Workflow commands for GitHub Actions". How values are escaped there is what actions/toolkit does
(packages/core, command.ts). The runner shows ten errors and ten warnings of a step, and cuts a message at
4096 characters (actions/runner, ExecutionContext.cs).
"""

from __future__ import annotations

from typing import Literal

MOST = 10  # annotations of a level in a step
_LONGEST = 4000  # characters of a message

Level = Literal["error", "warning"]


def annotation(level: Level, text: str, *, title: str = "", file: str = "", line: int = 0) -> str:
    """The line, with its end, and only one, whatever the values are. `file` is a path in the workspace."""
    values = {"title": title, "file": file, "line": str(line) if line else ""}
    given = ",".join(f"{name}={_property(value)}" for name, value in values.items() if value)
    return f"::{level}{' ' if given else ''}{given}::{escaped(_cut(text))}\n"


def escaped(text: str) -> str:
    """A command's message, or the title of a group, that is one whatever it holds."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
