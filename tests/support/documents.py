"""Documents that are run: commands of a Markdown file, what they are said to print, and what they print.

In a ```console block a line that begins with `$ ` is a command, one with `> ` goes on with it, all else is
what it prints. There, `…` stands for some characters, a line `...` for any number of lines. Before a block,

    <!-- file: PATH -->       puts it into a file, <!-- append: PATH --> behind what is there
    <!-- not run: WHY -->     says why nothing of it is run
"""

from __future__ import annotations

import difflib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOME, MANY = "…", "..."  # in what a command prints
_FENCE = re.compile(r"(?P<fence>```+)(?P<language>\S*)")
_MARK = re.compile(r"<!-- (?P<word>file|append|not run): (?P<rest>.+) -->")
_END = "--the-command-has-ended--"


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    line: int  # in the document, from 1
    language: str
    text: str
    mark: str = ""  # "file", "append", "not run"
    rest: str = ""  # behind the mark


@dataclass(frozen=True)
class Command:
    """A command of a ```console block."""

    line: int
    text: str
    output: str  # expected, with placeholders

    @property
    def placeholders(self) -> int:
        """How often something isn't compared."""
        return self.output.count(SOME) + self.output.splitlines().count(MANY)


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text, in order."""
    mark: re.Match[str] | None = None
    opened: tuple[int, str, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened:
            if line.strip() == opened[1]:
                word, rest = (mark["word"], mark["rest"]) if mark else ("", "")
                yield Block(opened[0], opened[2], "".join(f"{each}\n" for each in inside), word, rest)
                opened, mark, inside = None, None, []
            else:
                inside.append(line)
        elif fence:
            opened = (number, fence["fence"], fence["language"])
        elif line.strip():
            mark = _MARK.fullmatch(line.strip())
    if opened:
        raise ValueError(f"the block of line {opened[0]} doesn't end")


def commands(block: Block) -> list[Command]:
    """The commands of a ```console block. Raises ValueError where it begins with none."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], ""))
            continue
        if not found:
            raise ValueError(f"line {number}: a console's first line begins with '$ '")
        last = found[-1]
        if line.startswith("> ") and not last.output:
            found[-1] = Command(last.line, f"{last.text}\n{line[2:]}", "")
        else:
            found[-1] = Command(last.line, last.text, f"{last.output}{line}\n")
    return found


def difference(expected: str, actual: str) -> str:
    """How what was printed differs from what was said; nothing where it doesn't."""
    wanted, got = _stripped(expected), _stripped(actual)
    pattern = "".join(_pattern(line) for line in wanted)
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in got)):
        return ""
    return "\n".join(difflib.unified_diff(wanted, got, "the document says", "it prints", lineterm="", n=30))


def _stripped(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _pattern(line: str) -> str:
    if line.strip() == MANY:
        return r"(?:[^\n]*\n)*"
    return "[^\n]+".join(map(re.escape, line.split(SOME))) + "\n"


@dataclass
class Shell:
    """One bash, in which the commands of a document run one after the other, without a terminal."""

    folder: Path
    env: Mapping[str, str]
    patience: float = 300  # seconds for a command
    names: Mapping[str, str] = field(default_factory=dict)  # what the document calls things -> what they are
    _seen: bytes = b""

    def __post_init__(self) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=dict(self.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and output (stdout and stderr as they come) of a command. Raises TimeoutError."""
        status, output = self._run(self.real(command))
        for said, real in self.names.items():
            output = output.replace(real, said)
        return status, output

    def real(self, text: str) -> str:
        """`text` with what things are instead of what the document calls them."""
        for said, real in self.names.items():
            text = text.replace(said, real)
        return text

    def write(self, block: Block) -> None:
        """Puts a marked block into its file, which is relative to where the shell is now."""
        path = Path(self._run("pwd")[1].strip(), block.rest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if block.mark == "append" else "w") as file:
            file.write(self.real(block.text))

    def _run(self, command: str) -> tuple[int, str]:
        assert self._bash.stdin and self._bash.stdout
        ending = f"status=$?; printf '\\n%s %d\\n' {_END} $status; (exit $status)"
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\n{ending}\n".encode())
        self._bash.stdin.flush()
        end = re.compile(rf"\n{_END} (\d+)\n".encode())
        deadline = time.monotonic() + self.patience
        while not (found := end.search(self._seen)):
            ready, _, _ = select.select([self._bash.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._bash.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                raise TimeoutError(f"{command}\n{self._seen.decode(errors='replace')}")
            self._seen += data
        output, self._seen = self._seen[: found.start()], self._seen[found.end() :]
        return int(found[1]), output.decode(errors="replace")

    def close(self) -> None:
        """Ends it, with all that it has started."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()


def run_document(text: str, shell: Shell) -> list[str]:
    """Does all that a document says; gives what isn't as it says, and stops at the first command that fails.

    A command may fail if the next one asks for its status (`echo $?`).
    """
    faults: list[str] = []
    for block in blocks(text):
        if block.mark in ("file", "append"):
            shell.write(block)
        if block.language != "console" or block.mark:
            continue
        todo = commands(block)
        for command, after in zip(todo, [*todo[1:], None], strict=True):
            status, output = shell.run(command.text)
            asked = after is not None and "$?" in after.text
            what = difference(command.output, output)
            if what:
                faults.append(f"line {command.line}: $ {command.text}\n{what}")
            if status != 0 and not asked:
                return [*faults, f"line {command.line}: $ {command.text}\nexit status {status}:\n{output}"]
    return faults
