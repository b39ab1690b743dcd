"""The words of a line, sorted before it is parsed: global options may stand anywhere."""

from __future__ import annotations

from collections.abc import Sequence

VERBS = (
    *("init", "check", "list", "graph", "run", "shell", "exec"),
    *("pin", "images", "archive", "doctor", "clean", "schema", "ci"),
    *("keygen", "verify", "reproduce", "log", "capsule", "hook"),
)
WITH_VALUE = ("-C", "--project", "--engine", "--color")
FLAGS = ("--offline", "-q", "--quiet", "-v", "--verbose", "--json")
_WITH_ARGS = ("run", "exec")


def settle(argv: Sequence[str]) -> tuple[list[str], list[str], tuple[str, ...] | None]:
    """The global options, wherever they stood; the other words; what is behind `--`, None without one."""
    words = list(argv)
    args: tuple[str, ...] | None = None
    if "--" in words and any(word in _WITH_ARGS for word in words[: words.index("--")]):
        at = words.index("--")
        words, args = words[:at], tuple(words[at + 1 :])
    options: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            rest += words[at:]
            break
        if word in WITH_VALUE and at + 1 == len(words):
            return [*options, word], [], args  # the parser says that its value is missing
        if word in WITH_VALUE:
            options += words[at : at + 2]
            at += 1
        elif word in FLAGS or word.partition("=")[0] in WITH_VALUE or word.startswith("-C"):
            options.append(word)
        else:
            rest.append(word)
        at += 1
    return options, rest, args
