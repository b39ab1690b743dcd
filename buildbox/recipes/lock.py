"""A recipe's lock: the exact packages, each with its sha256, and what else the result depends on.

TOML with one package a line, sorted, so that a change reads well in review. Paths are relative to a
mirror; no host is named, since any mirror will do.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from buildbox.config.edit import write_file
from buildbox.digest import Digest
from buildbox.errors import ConfigError
from buildbox.oci import canonical
from buildbox.recipes.recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1  # of recipe.lock
BUILDER = 2  # of the way from a lock to an image; raised when the same lock would give other bytes
LOCK = "recipe.lock"
MERGED = "usr-is-merged"  # the package that wants /bin and the like to be links into /usr
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")  # Debian policy, sections 5.6.1, 5.6.8, 5.6.12
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~%/-]*\.deb")
_WHEEL = re.compile(
    r"[A-Za-z0-9_.]+-[A-Za-z0-9_.!+]+(-[A-Za-z0-9_.]+){3,4}\.whl"
)  # PyPA: binary distributions
_CHECKSUM = "checksum = "
_HEAD = "# Made by `buildbox images lock {recipe}`. Change {file} instead, then lock it again.\n"


@dataclass(frozen=True, order=True)
class Package:
    """One binary package, as a mirror's Packages file describes it."""

    name: str
    architecture: str
    version: str
    size: int  # bytes of the .deb
    sha256: str
    path: str  # relative to a mirror, "pool/main/…"

    @property
    def digest(self) -> Digest:
        """Under which the archive keeps it."""
        return Digest(self.sha256)

    @property
    def file(self) -> str:
        """The .deb's own name."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.architecture})"


@dataclass(frozen=True, order=True)
class Wheel:
    """One Python distribution, as an index of packages has it."""

    name: str  # normalised, "pyproject-hooks"
    version: str
    size: int  # bytes
    sha256: str
    file: str  # "pyproject_hooks-1.2.0-py3-none-any.whl"

    @property
    def digest(self) -> Digest:
        """Under which the archive keeps it."""
        return Digest(self.sha256)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Lock:
    """All that an image is made from."""

    builder: int
    recipe: Digest  # checksum of the recipe that it was made from
    suite: str
    release: str  # of the suite, for people: "12.15"
    source_date_epoch: int  # seconds; the suite's release date, and the image's
    architecture: str  # Debian's name for it
    tools: tuple[tuple[str, str], ...]  # with which the recorded pin was made; name, version
    packages: tuple[Package, ...]  # sorted
    wheels: tuple[Wheel, ...] = ()  # sorted

    @property
    def checksum(self) -> Digest:
        """Over all that the image is made from; not over the tools, which are only witnesses."""
        value: dict[str, Any] = {
            "builder": self.builder,
            "recipe": str(self.recipe),
            "suite": self.suite,
            "source-date-epoch": self.source_date_epoch,
            "architecture": self.architecture,
            "packages": [[p.name, p.version, p.architecture, p.size, p.sha256] for p in self.packages],
        }
        if self.wheels:
            value["wheels"] = [[w.name, w.version, w.size, w.sha256] for w in self.wheels]
        return Digest.of(canonical(value))


def read_lock(folder: Path, recipe: Recipe) -> Lock:
    """The lock beside the recipe in `folder`. Raises ConfigError where it is missing, stale or damaged."""
    path = folder / LOCK
    again = f"Run `buildbox images lock {recipe.text}` and review the difference."
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"recipe {recipe.text} has no lock: {path} is missing", again) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the lock {path} can't be read: {error}", again) from None
    try:
        lock = parse_lock(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not a good lock: {error}", again) from None
    if lock.recipe != recipe.checksum or lock.suite != recipe.suite:
        raise ConfigError(
            f"{path} is stale: {recipe.text} has changed since it was locked",
            again,
        )
    if _checksum_line(text.partition(_CHECKSUM)[2].partition("\n")[2]) not in text:
        raise ConfigError(f"{path} was changed by hand", again)
    return lock


def write_lock(folder: Path, lock: Lock, recipe: str) -> Path:
    """Writes the lock of `recipe` beside it; gives its file. Raises ConfigError."""
    path = folder / LOCK
    write_file(path, render_lock(lock, recipe))
    return path


def old_contents(folder: Path) -> tuple[Package | Wheel, ...]:
    """What the lock in `folder` lists, stale or not; nothing where there is none that can be read."""
    try:
        lock = parse_lock((folder / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return (*lock.packages, *lock.wheels)


def changes(old: Sequence[Package | Wheel], new: Sequence[Package | Wheel]) -> list[str]:
    """For people, what differs between what two locks list."""
    before = {_key(item): item for item in old}
    after = {_key(item): item for item in new}
    lines = [f"- {before[key]}" for key in sorted(before.keys() - after.keys())]
    lines += [f"+ {after[key]}" for key in sorted(after.keys() - before.keys())]
    for key in sorted(before.keys() & after.keys()):
        if before[key].version != after[key].version:
            lines.append(f"  {after[key].name} {before[key].version} -> {after[key].version}")
        elif before[key].sha256 != after[key].sha256:
            lines.append(f"  {after[key]}: other bytes under the same version")
    return lines


def parse_lock(text: str) -> Lock:
    """The lock that `text` spells. Raises ValueError saying what is wrong with it."""
    value = tomllib.loads(text)
    if value.get("format") != FORMAT:
        raise ValueError(f"format {value.get('format')!r} is not known here; this buildbox reads {FORMAT}")
    if value.get("builder") != BUILDER:
        raise ValueError(f"it is for builder {value.get('builder')!r}, this buildbox has {BUILDER}")
    try:
        tools = {str(name): str(version) for name, version in value["tools"].items()}
        lock = Lock(
            BUILDER,
            Digest.parse(value["recipe"]),
            str(value["suite"]),
            str(value["release"]),
            int(value["source-date-epoch"]),
            str(value["architecture"]),
            tuple(sorted(tools.items())),
            tuple(_package(item) for item in value["packages"]),
            tuple(_wheel(item) for item in value.get("wheels", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is incomplete: {error!r}") from None
    contents: tuple[Package | Wheel, ...] = (*lock.packages, *lock.wheels)
    if len({_key(item) for item in contents}) != len(contents):
        raise ValueError("it lists a package twice")
    return lock


def render_lock(lock: Lock, recipe: str) -> str:
    """`lock` as its file has it: one text for one lock."""
    date = datetime.fromtimestamp(lock.source_date_epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [
        f"builder = {lock.builder}",
        f'recipe = "{lock.recipe}"',
        f"suite = {_quoted(lock.suite)}",
        f"release = {_quoted(lock.release)}",
        f"source-date-epoch = {lock.source_date_epoch} # {date}",
        f"architecture = {_quoted(lock.architecture)}",
        "packages = [",
        *(f"  {_line(package)}," for package in sorted(lock.packages)),
        "]",
        *_wheel_lines(lock.wheels),
        "",
        "[tools] # that made the recorded pin",
        *(f"{name} = {_quoted(version)}" for name, version in sorted(lock.tools)),
    ]
    rest = "\n".join(lines) + "\n"
    head = [
        _HEAD.format(recipe=recipe, file="recipe.toml"),
        f"format = {FORMAT}",
        _checksum_line(rest),
    ]
    return "\n".join(head) + "\n" + rest


def _checksum_line(rest: str) -> str:
    return (
        f'{_CHECKSUM}"{Digest.of(rest.encode())}" # of all lines below; what was changed by hand is refused'
    )


def _package(item: Mapping[str, Any]) -> Package:
    package = Package(
        str(item["name"]),
        str(item["architecture"]),
        str(item["version"]),
        int(item["size"]),
        Digest.parse(f"sha256:{item['sha256']}").hex,
        str(item["path"]),
    )
    for text, shape in (
        (package.name, _NAME),
        (package.version, _VERSION),
        (package.architecture, _NAME),
        (package.path, _PATH),
    ):
        if not shape.fullmatch(text) or ".." in text.split("/"):
            raise ValueError(f"{text!r} won't do, of the package {package}")
    return package


def _wheel(item: Mapping[str, Any]) -> Wheel:
    wheel = Wheel(
        str(item["name"]),
        str(item["version"]),
        int(item["size"]),
        Digest.parse(f"sha256:{item['sha256']}").hex,
        str(item["file"]),
    )
    if not _WHEEL.fullmatch(wheel.file):
        raise ValueError(f"{wheel.file!r} won't do, of the wheel {wheel}")
    return wheel


def _key(item: Package | Wheel) -> tuple[str, str]:
    return item.name, item.architecture if isinstance(item, Package) else ".whl"


def _wheel_lines(wheels: Sequence[Wheel]) -> list[str]:
    return ["wheels = [", *(f"  {_line(wheel)}," for wheel in sorted(wheels)), "]"] if wheels else []


def _line(item: Package | Wheel) -> str:
    order = ("name", "version", "architecture", "size", "sha256", "path", "file")
    pairs = ((key, getattr(item, key)) for key in order if key in item.__dataclass_fields__)
    return "{ " + ", ".join(f"{key} = {_quoted(value)}" for key, value in pairs) + " }"


def _quoted(value: str | int) -> str:
    """A TOML value; JSON's strings are TOML's, for what can stand in a package's description."""
    return json.dumps(value, ensure_ascii=False)
