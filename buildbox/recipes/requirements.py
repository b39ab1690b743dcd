"""A recipe's Python requirements: pip's requirements file with hashes, and nothing else of that format.

The format: pip's documentation, "Requirements File Format" and "Secure installs". Where things come from
is the machine's business, so options that say so are refused, and each requirement has one exact version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging import requirements as pep508
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from buildbox.digest import Digest
from buildbox.errors import ConfigError

_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"(?:^|\s)--hash[=\s]\s*(\S+)")
_EXAMPLE = "Write NAME==VERSION --hash=sha256:…, as `pip-compile --generate-hashes --no-emit-index-url` does."


@dataclass(frozen=True, order=True)
class Requirement:
    """One distribution in one version."""

    name: str  # normalised
    version: str
    extras: tuple[str, ...]  # normalised, sorted
    marker: str  # "" for always
    hashes: tuple[str, ...]  # sha256, hex; any of them will do

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Whether its marker, if it has one, holds in `environment`."""
        return not self.marker or Marker(self.marker).evaluate(dict(environment))

    @property
    def line(self) -> str:
        """For pip, without the marker, which pip would hold against the Python that it runs in."""
        return " ".join([str(self), *(f"--hash=sha256:{each}" for each in self.hashes)])

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"


def parse_requirements(text: str, path: str = "requirements.txt") -> tuple[Requirement, ...]:
    """The requirements in `text`, sorted. Raises ConfigError with all its problems and their lines."""
    found, problems = [], []
    for number, line in _lines(text):
        try:
            found.append(_requirement(line))
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
    if problems:
        raise ConfigError(f"{path} is not a list of pinned requirements", _EXAMPLE, problems)
    return tuple(sorted(found))


def applicable(
    requirements: Sequence[Requirement], environment: Mapping[str, str], path: str = "requirements.txt"
) -> tuple[Requirement, ...]:
    """Those whose markers hold in `environment`. Raises ConfigError where a name is left there twice."""
    chosen = [each for each in requirements if each.applies(environment)]
    names = [each.name for each in chosen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{path} requires more than once: {', '.join(twice)}", "Leave one of each.")
    return tuple(chosen)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Joined lines without comments, with the number of the first of each."""
    start, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start if joined else number
        comment = line.lstrip().startswith("#")
        goes_on = line.endswith("\\") and not comment
        joined += "" if comment else _COMMENT.sub("", line.removesuffix("\\") if goes_on else line) + " "
        if goes_on:
            continue
        if joined.strip():
            yield start, joined.strip()
        joined = ""
    if joined.strip():
        yield start, joined.strip()


def _requirement(line: str) -> Requirement:
    hashes = []
    for spelled in _HASH.findall(line):
        hashes.append(Digest.parse(spelled).hex)
    stated = _HASH.sub("", line).strip()
    if not stated:
        raise ValueError("--hash belongs to no requirement")
    option = re.search(r"(?:^|\s)(-\S+)", stated)
    if option:
        raise ValueError(f"option {option[1].partition('=')[0]} isn't taken; only --hash is")
    try:
        parsed = pep508.Requirement(stated)
    except pep508.InvalidRequirement:
        raise ValueError(f"{stated!r} isn't NAME==VERSION") from None
    if parsed.url:
        raise ValueError(f"{parsed.name} is required from an address; the machine's own index is asked")
    pins = [each for each in parsed.specifier if each.operator == "==" and not each.version.endswith("*")]
    if len(pins) != 1 or len(parsed.specifier) != 1:
        raise ValueError(f"{parsed.name} has no exact version (==)")
    if not hashes:
        raise ValueError(f"{parsed.name} has no --hash")
    return Requirement(
        canonicalize_name(parsed.name),
        pins[0].version,
        tuple(sorted(canonicalize_name(extra) for extra in parsed.extras)),
        str(parsed.marker or ""),
        tuple(sorted(set(hashes))),
    )
