"""A Dockerfile recipe, judged before an engine sees it: every image that it takes from has a digest.

The rules are those of Docker's classic builder (Dockerfile reference), which is the one that an engine has
without BuildKit. Where it would evaluate what can't be judged here, the line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildbox.errors import ConfigError, Exit
from buildbox.oci import Platform
from buildbox.recipes.instructions import Instruction, Problem, read_source
from buildbox.reference import ImageRef

DOCKERFILE = "Dockerfile"
_FLAG = re.compile(r"(--\S+)(?:\s+|$)")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^{}$]*))?\})", re.ASCII)
_ARG = re.compile(r"""(\w+)(?:=("[^"]*"|'[^']*'|[^\s"']*))?(?:\s+|$)""", re.ASCII)
_OWN_PLATFORM = ("$BUILDPLATFORM", "${BUILDPLATFORM}", "$TARGETPLATFORM", "${TARGETPLATFORM}")


class NotPinned(ConfigError):
    """All that is wrong with a Dockerfile is that it takes from images without a digest."""

    exit = Exit.IMAGE


@dataclass(frozen=True)
class Base:
    """An image that the Dockerfile takes from."""

    image: ImageRef  # with a digest
    platform: Platform | None = None  # None: the engine's own


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile that takes from pinned images only."""

    escape: str
    lines: tuple[tuple[str | Base, ...], ...]  # one for each instruction: text, with the bases between

    @property
    def bases(self) -> tuple[Base, ...]:
        """All of them, each once, in their order."""
        return tuple(dict.fromkeys(part for line in self.lines for part in line if isinstance(part, Base)))

    def text(self, names: Mapping[Base, str]) -> str:
        """The Dockerfile with the bases under the names that an engine has for them."""
        head = [f"# escape={self.escape}"] if self.escape != "\\" else []
        lines = [
            "".join(part if isinstance(part, str) else names[part] for part in line) for line in self.lines
        ]
        return "".join(f"{line}\n" for line in (*head, *lines))


def read_dockerfile(folder: Path) -> Dockerfile:
    """The Dockerfile in a recipe's folder. Raises ConfigError, NotPinned."""
    path = folder / DOCKERFILE
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{path} is a link to a file outside of the recipe", "Put the file itself there."
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {path} can't be read: {error}") from None
    return parse_dockerfile(text, str(path))


def parse_dockerfile(text: str, path: str = DOCKERFILE) -> Dockerfile:
    """The Dockerfile that `text` spells. Raises ConfigError, NotPinned with all its problems."""
    source = read_source(text)
    reading = _Reading(source.escape, problems=list(source.problems))
    if source.syntax:
        reading.judge_syntax(*source.syntax)
    lines = [tuple(reading.line(each)) for each in source.instructions]
    if not reading.stages and not reading.problems:
        reading.problems.append(Problem(1, "it has no FROM"))
    found = sorted(reading.problems, key=lambda problem: problem.line)
    if not found:
        return Dockerfile(source.escape, tuple(lines))
    unpinned = all(problem.unpinned for problem in found)
    hint = "Write each image as name:tag@sha256:…; `docker pull` tells the digest of what it has pulled."
    raise (NotPinned if unpinned else ConfigError)(
        f"{path} takes from images without a digest" if unpinned else f"{path} is not a good recipe",
        hint if any(problem.unpinned for problem in found) else "",
        [f"{path}:{problem.line}: {problem.text}" for problem in found],
    )


def takes_from_elsewhere(trigger: str) -> bool:
    """Whether an ONBUILD instruction takes from an image or a stage, which can't be judged now."""
    return any(
        each.keyword in ("FROM", "ONBUILD") or any("from=" in flag.lower() for flag in _options(each.rest)[0])
        for each in read_source(trigger).instructions
    )


class _Unclear(Exception):
    """What a word comes to can't be told from the file alone."""


_ReadFlag = Callable[[Instruction, str], Iterator[str | Base]]


@dataclass
class _Reading:
    """What is known at one point of the file."""

    escape: str
    args: dict[str, str] = field(default_factory=dict)  # defaults of the ARGs before the first FROM
    stages: list[str] = field(default_factory=list)  # their names in lower case, "" where one has none
    problems: list[Problem] = field(default_factory=list)

    def line(self, found: Instruction) -> Iterator[str | Base]:
        """The instruction anew, with its bases; problems are noted."""
        yield f"{found.keyword} "
        if found.keyword == "FROM":
            yield from self._from(found)
            return
        if found.keyword == "ARG" and not self.stages:
            self._take_args(found.rest)
        elif not self.stages:
            self._note(found, f"{found.keyword} stands before the first FROM")
        if found.keyword == "COPY":
            yield from self._flags(found, self._copy_flag)
        elif found.keyword == "RUN":
            yield from self._flags(found, self._run_flag)
        else:
            if found.keyword == "ONBUILD" and takes_from_elsewhere(found.rest):
                self._note(found, f"ONBUILD {found.rest}: what it takes from can't be judged now")
            yield found.rest

    def judge_syntax(self, line: int, value: str) -> None:
        """A `# syntax=` directive: the classic builder ignores it, others would run that image."""
        try:
            pinned = ImageRef.parse(value).digest is not None
        except ValueError as error:
            self.problems.append(Problem(line, f"# syntax={value}: {error}"))
            return
        if not pinned:
            what = f"# syntax={value}: the image has no digest (leave the line out: it is not used here)"
            self.problems.append(Problem(line, what, unpinned=True))

    def _from(self, found: Instruction) -> Iterator[str | Base]:
        platform: Platform | None = None
        flags, rest = self._split_flags(found)
        for flag in flags:
            name, _, value = flag.partition("=")
            if name != "--platform":
                self._note(found, f"FROM has no option {name}")
                continue
            platform = self._platform(found, value)
        words = rest.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            self._note(found, "FROM takes an image, or an image AS a name")
            self.stages.append("")
            return
        base = self._base(found, words[0], platform)
        if isinstance(base, str) and platform:
            yield f"--platform={platform} "
        yield base
        yield "".join(f" {word}" for word in words[1:])
        self.stages.append(words[2].lower() if len(words) == 3 else "")

    def _base(self, found: Instruction, word: str, platform: Platform | None) -> str | Base:
        try:
            name = _expand(word, self.args, self.escape)
        except _Unclear as error:
            self._note(found, f"FROM {word}: {error}")
            return word
        if name == "scratch" or (name and name.lower() in self.stages):
            return name
        shown = f"FROM {word}" if name == word else f"FROM {word}, by default {name}"
        return self._image(found, name, shown, platform) or name

    def _platform(self, found: Instruction, value: str) -> Platform | None:
        if value in _OWN_PLATFORM:
            return None
        try:
            return Platform.parse(_expand(value, self.args, self.escape))
        except (_Unclear, ValueError) as error:
            self._note(found, f"--platform={value}: {error}")
            return None

    def _image(
        self, found: Instruction, name: str, shown: str, platform: Platform | None = None
    ) -> Base | None:
        try:
            ref = ImageRef.parse(name)
        except ValueError as error:
            self._note(found, f"{shown}: {error}")
            return None
        if ref.digest is None:
            what = f"{shown}: the image has no digest"
            self.problems.append(Problem(found.line, what, unpinned=True))
            return None
        return Base(ref, platform)

    def _flags(self, found: Instruction, read: _ReadFlag) -> Iterator[str | Base]:
        flags, rest = self._split_flags(found)
        for flag in flags:
            yield from read(found, flag)
            yield " "
        yield rest

    def _copy_flag(self, found: Instruction, flag: str) -> Iterator[str | Base]:
        name, _, value = flag.partition("=")
        if name != "--from":
            yield flag
            return
        yield f"{name}="
        yield self._place(found, value, f"COPY {flag}")

    def _run_flag(self, found: Instruction, flag: str) -> Iterator[str | Base]:
        name, _, value = flag.partition("=")
        if name != "--mount":
            yield flag
            return
        yield f"{name}="
        for number, item in enumerate(value.split(",")):
            key, _, source = item.partition("=")
            yield "," if number else ""
            if key.strip().lower() != "from":
                yield item
                continue
            yield f"{key}="
            yield self._place(found, source, f"RUN --mount=…,{item}")

    def _place(self, found: Instruction, name: str, shown: str) -> str | Base:
        """What files are taken from: an earlier stage, or an image."""
        if name.lower() in [stage for stage in self.stages[:-1] if stage]:
            return name
        if name.isascii() and name.isdigit():
            if int(name) >= len(self.stages) - 1:
                self._note(found, f"{shown}: there is no earlier stage {name}")
            return name
        if "$" in name:
            self._note(found, f"{shown}: no variable can stand here; name a stage, with a FROM of its own")
            return name
        return self._image(found, name, shown) or name

    def _split_flags(self, found: Instruction) -> tuple[list[str], str]:
        """The options in front, and the rest. One with quotes or escapes in it is refused: readers differ."""
        flags, rest = _options(found.rest)
        plain = [flag for flag in flags if not set(flag) & {'"', "'", "\\", self.escape}]
        for flag in flags:
            if flag not in plain:
                self._note(found, f"{found.keyword} {flag}: write the option without quotes and escapes")
        return plain, rest

    def _take_args(self, rest: str) -> None:
        at = 0
        while match := _ARG.match(rest, at):
            at = match.end()
            self.args.pop(match[1], None)
            try:
                if match[2] is not None:
                    self.args[match[1]] = _expand(match[2], self.args, self.escape)
            except _Unclear:
                pass  # a FROM that uses it is refused
        if at < len(rest):  # what can't be read could have set any
            self.args.clear()

    def _note(self, found: Instruction, text: str) -> None:
        self.problems.append(Problem(found.line, text))


def _options(rest: str) -> tuple[list[str], str]:
    """The options in front of an instruction's arguments, and what is behind them."""
    flags, at = [], 0
    while match := _FLAG.match(rest, at):
        flags.append(match[1])
        at = match.end()
    return flags, rest[at:]


def _expand(word: str, args: Mapping[str, str], escape: str) -> str:
    """The word with its variables (section "Environment replacement"). Raises _Unclear."""
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        quote, word = word[0], word[1:-1]
        if quote == "'" and "$" in word:
            raise _Unclear("the $ in quotes is no variable")
    if set(word) & {'"', "'", "\\", escape}:
        raise _Unclear("write it without quotes and escapes")

    def value(match: re.Match[str]) -> str:
        name, how, other = match[1] or match[2], match[3], match[4] or ""
        if how == "-":
            return args.get(name) or other
        if how == "+":
            return other if args.get(name) else ""
        if name not in args:
            raise _Unclear(f"{name} has no default before the first FROM")
        return args[name]

    if "$" in _VARIABLE.sub("", word):
        raise _Unclear("this use of $ can't be judged; write $NAME, ${NAME} or ${NAME:-default}")
    return _VARIABLE.sub(value, word)
