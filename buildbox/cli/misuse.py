"""What to say of a line that the parser refuses: its words in our style, and what was probably meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import dropwhile

from buildbox.errors import UsageError


def misuse(
    message: str, options: Sequence[str], words: Sequence[str], command: str | None = None
) -> UsageError:
    """The error for the parser's `message` on the line of global `options` and other `words`.

    `command` is how far the parser got: "buildbox images build".
    """
    text = message.removesuffix(".")
    text = re.sub(r"(.*) \(Possible options: (.*)\)", r"\1; did you mean \2?", text)
    text = re.sub(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"too many arguments: \1", text)
    text = re.sub(r"No such command (.*)\. Did you mean", r"No such command \1; did you mean", text)
    text = text[:1].lower() + text[1:]
    hint = f"See `{command or 'buildbox'} --help`."
    meant = () if "did you mean" in text else _with_separator(words)
    if meant:
        hint = f"What is for the container goes behind --: {shlex.join(['buildbox', *options, *meant])}"
    return UsageError(text, hint)


def _with_separator(words: Sequence[str]) -> Sequence[str]:
    """The line of `run`, `exec` or `shell` that someone meant who left the `--` out; nothing if none."""
    verb, rest = words[0] if words else "", [word for word in words[1:] if word != "--"]
    at = 1  # word of `rest` that the command begins with
    if verb == "run":
        at = next((at for at, word in enumerate(rest) if word.startswith("-")), 0)
    elif verb in ("exec", "shell"):  # docker's `exec -it` is a habit
        verb, rest = "exec", list(dropwhile(lambda word: word.startswith("-"), rest))
    else:
        return ()
    return (verb, *rest[:at], "--", *rest[at:]) if 0 < at < len(rest) else ()
