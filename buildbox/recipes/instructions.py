"""The text of a Dockerfile as instructions, one line each (Dockerfile reference, section "Format").

Continued lines are joined and comments left out here, once: what is given to an engine is written anew from
this, so that it can't read other instructions out of the file than were judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildbox.config.near import did_you_mean

KEYWORDS = frozenset(
    (
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    )
)
_SPACE = " \t\v\f\r"
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = ("escape", "syntax", "check")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*\"""")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?\w")
_HEREDOC_END = re.compile(r"""<<-?["']?([^\s<"']+)""")
_WITH_HEREDOCS = ("ADD", "COPY", "RUN")


@dataclass(frozen=True)
class Problem:
    """What is wrong in a line."""

    line: int  # the first is 1
    text: str
    unpinned: bool = False  # it names an image without a digest


@dataclass(frozen=True)
class Instruction:
    """One instruction."""

    line: int  # where it begins
    keyword: str  # upper-case
    rest: str  # all behind it, without the spaces around


@dataclass(frozen=True)
class Source:
    """A Dockerfile's instructions, and what stands above them."""

    escape: str  # the character that continues a line: \ or `
    syntax: tuple[int, str] | None  # line and value of `# syntax=`
    instructions: tuple[Instruction, ...]
    problems: tuple[Problem, ...]


def read_source(text: str) -> Source:
    """The instructions in `text`. Here-documents are a problem: only BuildKit knows them."""
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    directives = _directives(lines)
    problems: list[Problem] = []
    escape = directives.get("escape", (0, "\\"))[1]
    if escape not in ("\\", "`"):
        problems.append(Problem(directives["escape"][0], f"# escape={escape}: it is \\ or `"))
        escape = "\\"
    instructions = []
    at = 0
    while at < len(lines):
        begin = at
        joined, at = _joined(lines, at, escape)
        words = re.split(f"[{_SPACE}]+", joined, maxsplit=1)
        if not words[0]:
            continue
        found = Instruction(begin + 1, words[0].upper(), "".join(words[1:]))
        if found.keyword not in KEYWORDS:
            guess = did_you_mean(found.keyword, sorted(KEYWORDS))
            problems.append(Problem(found.line, f"there is no instruction {words[0]}{guess}"))
        elif found.keyword in _WITH_HEREDOCS and _HEREDOC.search(_QUOTED.sub("Q", found.rest)):
            what = "here-documents need BuildKit; continue lines instead, or put the text in a file"
            problems.append(Problem(found.line, what))
            at = _behind(lines, at, _HEREDOC_END.findall(found.rest))
        instructions.append(found)
    return Source(escape, directives.get("syntax"), tuple(instructions), tuple(problems))


def _directives(lines: list[str]) -> dict[str, tuple[int, str]]:
    """Line and value of each; they end at the first line that is none (section "Parser directives")."""
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if not match or match[1].lower() not in _DIRECTIVES:
            break
        found.setdefault(match[1].lower(), (number, match[2]))
    return found


def _joined(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """The instruction that begins in line `at`, "" where that is empty or a comment; the line behind it."""
    more = re.compile(re.escape(escape) + r"[ \t]*$")
    parts: list[str] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        plain = line.strip()
        if plain.startswith("#") or (not plain and parts):
            if not parts:
                break
            continue  # inside an instruction, comments and empty lines are nothing
        parts.append(more.sub("", line))
        if not more.search(line):
            break
    return _ended("".join(parts), escape), at


def _ended(text: str, escape: str) -> str:
    """The text without an escape at its end, which would continue it where something comes behind."""
    text = text.strip()
    while text.endswith(escape):
        text = text.removesuffix(escape).rstrip()
    return text


def _behind(lines: list[str], at: int, ends: list[str]) -> int:
    """The line behind the here-documents that end with these words."""
    for end in ends:
        while at < len(lines) and lines[at].strip() != end:
            at += 1
        at += 1
    return at
