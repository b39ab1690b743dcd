"""A Debian recipe: what a toolchain image is made of, as a person writes it (`recipe.toml`)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.digest import Digest
from buildbox.errors import ConfigError
from buildbox.oci import canonical
from buildbox.recipes.section import Section
from buildbox.reference import ImageRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1  # of recipe.toml
RECIPE = "recipe.toml"
_TOP = ("format", "title", "description", "debian", "python", "files", "image", "smoke")
_DEBIAN = ("suite", "components", "packages", "exclude", "snapshot")
_PYTHON = ("requirements",)
_IMAGE = ("env", "user", "workdir", "labels")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian policy, section 5.6.1
_WORD = re.compile(r"[a-z0-9][a-z0-9.-]*")  # a suite or a component
_EXCLUDE = re.compile(r"/[A-Za-z0-9/_.*?+@~-]+")  # a pattern of dpkg(1), option --path-exclude
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]*|[0-9]+(:[0-9]+)?")
_SNAPSHOT = re.compile(r"https?://[^\s\"'{}]+(\{time\}[^\s\"'{}]*)?")
_PATH = re.compile(r"(/[A-Za-z0-9_.+@~-]+)+")
# What a container covers with something of its own, or finds empty.
_NOT_LAID_IN = ("/dev", "/proc", "/run", "/src", "/sys", "/tmp", "/var/lock", "/var/run")


@dataclass(frozen=True)
class LaidIn:
    """A file of the recipe's folder that the image has, root's, dated to the source epoch."""

    target: str  # absolute, in the image
    source: Path
    mode: int  # 0o755 where the file may be executed, else 0o644
    digest: Digest  # of its bytes


@dataclass(frozen=True)
class Recipe:
    """What to install from where, what to lay in, and what the image says of itself."""

    name: str  # "python", the catalogue's folder
    version: str  # "3.11", the folder in it
    title: str
    description: str
    suite: str
    components: tuple[str, ...]
    packages: tuple[str, ...]
    exclude: tuple[str, ...]  # patterns of paths to leave out
    snapshot: str  # a mirror of last resort, with "{time}" for the release's date; "" for none
    requirements: str  # the text of a requirements file for pip, hash-pinned; "" for none
    files: tuple[LaidIn, ...]  # sorted by target
    env: tuple[tuple[str, str], ...]  # sorted by name
    user: str  # of the image's own; tasks run as the caller all the same. "" for root
    workdir: str
    labels: tuple[tuple[str, str], ...]  # sorted by name
    smoke: tuple[tuple[str, str], ...]  # name and script of each check, in the file's order

    @property
    def text(self) -> str:
        """Its name in the catalogue."""
        return f"{self.name}/{self.version}"

    @property
    def image(self) -> ImageRef:
        """What its image is called, without a digest."""
        return ImageRef.parse(f"buildbox/{self.name}:{self.version}")

    @property
    def checksum(self) -> Digest:
        """Over all that shapes the image; layout, comments and order of the file don't count.

        A key that is left out isn't in it, so that keys of later formats don't make old locks stale.
        """
        value = {
            "title": self.title,
            "description": self.description,
            "suite": self.suite,
            "components": sorted(self.components),
            "packages": sorted(self.packages),
            "exclude": list(self.exclude),
            "requirements": _lines(self.requirements),
            "files": {file.target: [oct(file.mode), str(file.digest)] for file in self.files},
            "env": dict(self.env),
            "user": self.user,
            "workdir": self.workdir,
            "labels": dict(self.labels),
        }
        return Digest.of(canonical({key: item for key, item in value.items() if item}))


def read_recipe(folder: Path) -> Recipe:
    """The recipe in `folder`, which is NAME/VERSION of a catalogue. Raises ConfigError."""
    path = folder / RECIPE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {path} can't be read: {error}") from None
    return parse_recipe(text, folder)


def parse_recipe(text: str, folder: Path) -> Recipe:
    """The recipe that `text` spells, as the one in `folder`, from which the files that it names are read.

    Raises ConfigError with all its problems.
    """
    path = folder / RECIPE
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", "Mend the TOML.") from None
    if value.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: format {value.get('format')!r} of a recipe is not known here",
            f"This buildbox reads format = {FORMAT}; use a newer buildbox for a newer format.",
        )
    problems: list[str] = []
    recipe = _read(value, folder, problems)
    if problems:
        raise ConfigError(f"{path} is not a good recipe", problems=[f"{path}: {each}" for each in problems])
    return recipe


def _read(value: dict[str, Any], folder: Path, problems: list[str]) -> Recipe:
    top = Section.of(value, "", _TOP, problems)
    debian = Section.of(value.get("debian"), "debian", _DEBIAN, problems)
    python = Section.of(value.get("python"), "python", _PYTHON, problems)
    image = Section.of(value.get("image"), "image", _IMAGE, problems)
    requirements = python.text("requirements", default="")
    recipe = Recipe(
        name=folder.parent.name,
        version=folder.name,
        title=top.text("title"),
        description=top.text("description"),
        suite=debian.text("suite", _WORD),
        components=debian.texts("components", _WORD) or ("main",),
        packages=debian.texts("packages", _PACKAGE),
        exclude=debian.texts("exclude", _EXCLUDE),
        snapshot=debian.text("snapshot", _SNAPSHOT, ""),
        requirements=_requirements(python, folder, requirements) if requirements else "",
        files=_files(Section.of(value.get("files"), "files", None, problems), folder),
        env=tuple(sorted(image.pairs("env", _no_variable).items())),
        user=image.text("user", _USER, ""),
        workdir=image.text("workdir", _PATH, ""),
        labels=tuple(sorted(image.pairs("labels").items())),
        smoke=tuple(Section.of(value.get("smoke"), "smoke", None, problems).strings().items()),
    )
    if not recipe.packages:
        problems.append("debian.packages: lists no package")
    try:
        recipe.image  # noqa: B018
    except ValueError as error:
        problems.append(f"the folder's name {recipe.text} makes no image name: {error}")
    return recipe


def _requirements(python: Section, folder: Path, name: str) -> str:
    try:
        return _inside(folder, name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        python.problem("requirements", f"{name}: {_why(error)}")
        return ""


def _files(section: Section, folder: Path) -> tuple[LaidIn, ...]:
    files = []
    for target, name in section.strings(_no_target).items():
        try:
            source = _inside(folder, name)
            mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            files.append(LaidIn(target, source, mode, Digest.of(source.read_bytes())))
        except (OSError, ValueError) as error:
            section.problem(target, f"{name}: {_why(error)}")
    return tuple(sorted(files, key=lambda file: file.target))


def _inside(folder: Path, name: str) -> Path:
    """The file `name` of the recipe's folder. Raises ValueError for one that is, or leads, elsewhere."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("is outside of the recipe's folder")
    return path


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "isn't UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _no_variable(name: str) -> str | None:
    return None if _NAME.fullmatch(name) else "is no variable's name"


def _no_target(path: str) -> str | None:
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        return "is not an absolute path of plain names"
    over = next((each for each in _NOT_LAID_IN if f"{path}/".startswith(f"{each}/")), None)
    return f"{over} is the container's own" if over else None


def _lines(text: str) -> list[str]:
    """A requirements file without its comments and layout, sorted."""
    joined = text.replace("\\\n", " ")
    lines = (" ".join(line.partition(" #")[0].split()) for line in joined.splitlines())
    return sorted(line for line in lines if line and not line.startswith("#"))
