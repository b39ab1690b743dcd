"""What wheels say of themselves and need of each other (PyPA: core metadata, dependency specifiers)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Distribution:
    """One wheel's metadata."""

    name: str  # normalised
    version: str
    python: str  # Requires-Python, "" for any
    needs: tuple[str, ...]  # Requires-Dist


def read_distribution(wheel: Path) -> Distribution:
    """The metadata in the file `wheel`. Raises ValueError where it has none that can be read."""
    try:
        with zipfile.ZipFile(wheel) as file:
            names = [
                name
                for name in file.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            if len(names) != 1:
                raise ValueError(f"{wheel.name} is no wheel: it has {len(names)} METADATA files")
            fields = BytesHeaderParser().parsebytes(file.read(names[0]))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{wheel.name} is no wheel: {error}") from None
    return Distribution(
        canonicalize_name(str(fields.get("Name", ""))),
        str(fields.get("Version", "")),
        str(fields.get("Requires-Python", "")),
        tuple(str(each) for each in fields.get_all("Requires-Dist", [])),
    )


def unmet(
    distributions: Sequence[Distribution],
    extras: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
) -> list[str]:
    """What the set lacks to be whole in `environment`, a line for each; `extras` are those asked for by name.

    Only the set counts: what Debian's packages bring may be of another version tomorrow.
    """
    by_name = {each.name: each for each in distributions}
    wanted = {name: set(extras.get(name, ())) for name in by_name}
    problems: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(name, extra) for name in sorted(by_name) for extra in ("", *sorted(wanted[name]))]
    while todo:
        name, extra = todo.pop(0)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        each = by_name[name]
        try:
            problems.update(dict.fromkeys(_unfit(each, environment)))
            for need in _needs(each, {**environment, "extra": extra}):
                other = by_name.get(canonicalize_name(need.name))
                if other is None:
                    problems[f"{name} {each.version} needs {_shown(need)}, which isn't listed"] = None
                elif not need.specifier.contains(other.version, prereleases=True):
                    problems[f"{name} {each.version} needs {_shown(need)}, not {other.version}"] = None
                else:
                    todo += [(other.name, canonicalize_name(extra)) for extra in sorted(need.extras)]
        except (InvalidRequirement, InvalidSpecifier) as error:
            problems[f"{name} {each.version} has metadata that can't be read: {error}"] = None
    return list(problems)


def _unfit(each: Distribution, environment: Mapping[str, str]) -> Iterator[str]:
    python = environment["python_full_version"]
    if each.python and not SpecifierSet(each.python).contains(python, prereleases=True):
        yield f"{each.name} {each.version} is for Python {each.python}, not {python}"


def _needs(each: Distribution, environment: Mapping[str, str]) -> Iterator[Requirement]:
    for text in each.needs:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate(dict(environment)):
            yield need


def _shown(need: Requirement) -> str:
    extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
    return f"{need.name}{extras}{need.specifier}"
