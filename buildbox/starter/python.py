"""Python projects."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from buildbox.starter.folder import Folder
from buildbox.starter.parts import OWN, PREPARE, Job, Part, fitting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VERSIONS = ("3.11", "3.13")
_VENV = f"{OWN}/venv"
# What the catalogue's images have (images/python/*/requirements.txt), and of what builds: the major version.
_IN_IMAGE = frozenset({"build", "hatchling", "pip", "pytest", "ruff", "setuptools", "wheel"})
BUILDERS = {"hatchling": 1, "setuptools": 80, "wheel": 0}
_TESTING = ("dev", "develop", "test", "tests", "testing")  # names of extras and groups
_DEV_FILES = (
    "requirements-dev.txt",
    "dev-requirements.txt",
    "requirements-test.txt",
    "test-requirements.txt",
)
_TEST_FILE = r"(.*/)?(test_[^/]*|[^/]*_test)\.py"
_PLAIN = re.compile(r"[A-Za-z0-9_.\[\],<>=!~ -]+")  # a requirement that no shell can misread
# Prints what the project itself needs, where the project isn't a package that could be installed.
_NEEDS = """\
python3 -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print({lists}, sep="\\n")
' > /tmp/needs.txt"""


@dataclass(frozen=True)
class _Setup:
    """What pip would be told to install; all empty where the image has everything."""

    files: tuple[str, ...] = ()  # requirements files
    itself: str = ""  # "." or ".[dev]"
    lists: tuple[str, ...] = ()  # expressions for the lists of pyproject.toml's project table to install
    groups: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()  # of everything that is declared

    @property
    def wanted(self) -> bool:
        return bool(self.files or self.itself or self.lists or self.groups)


def python(folder: Folder) -> Part | None:
    """The part for a Python project; None where there is none."""
    found = [
        name
        for name in ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", *_DEV_FILES)
        if name in folder.files
    ]
    if not found:
        return None
    document = _toml(folder.text("pyproject.toml"))
    project = _table(document, "project")
    setup = _setup(folder, document)
    program = f"/src/{_VENV}/bin/python" if setup.wanted else "python3"
    jobs = [_test(folder, program, setup)]
    if "ruff" in setup.names or "ruff" in _table(document, "tool") or folder.first("ruff.toml", ".ruff.toml"):
        jobs.append(Job("lint", "Static checks", (program, "-m", "ruff", "check", ".")))
    if setup.wanted and "mypy" in setup.names:
        jobs.append(Job("types", "Check the types", _mypy(program, document, folder)))
    requires = _build_requires(folder, document, setup)
    if requires is not None:
        command = (program, "-m", "build", "--wheel", "--no-isolation", "-o", "dist")
        jobs.append(Job("build", "Build a wheel into dist/", command))
    if setup.wanted:
        jobs.insert(0, _deps(setup, requires or ()))
    wanted = project.get("requires-python")
    version, notes = fitting("requires-python", wanted if isinstance(wanted, str) else None, VERSIONS)
    return Part(
        "python",
        version,
        ", ".join(found),
        "Python, pip and pytest",
        tuple(jobs),
        notes=notes,
    )


def _test(folder: Folder, program: str, setup: _Setup) -> Job:
    env = {"PYTHONPATH": "src"} if not setup.wanted and folder.any(r"src/[^/]+(/__init__)?\.py") else {}
    if "manage.py" in folder.files and "django" in setup.names and "pytest-django" not in setup.names:
        return Job("test", "Run the tests", (program, "manage.py", "test"), env=env)
    if folder.any(_TEST_FILE):
        return Job("test", "Run the tests", (program, "-m", "pytest"), env=env)
    return Job(
        "test",
        "Compile everything",
        (program, "-m", "compileall", "-q", "-x", r"(^|/)\.[^/]", "."),
        comment="No tests were found. Once there are some: python3 -m pytest",
    )


def _mypy(program: str, document: dict[str, Any], folder: Folder) -> tuple[str, ...]:
    configured = "files" in _table(_table(document, "tool"), "mypy") or folder.first("mypy.ini", ".mypy.ini")
    return (program, "-m", "mypy", *(() if configured else (".",)))


def _deps(setup: _Setup, requires: Iterable[str]) -> Job:
    what: list[str] = []
    lines = [PREPARE, f"python3 -m venv --clear --system-site-packages {_VENV}"]
    if setup.groups:
        lines.append(f"{_VENV}/bin/pip install --upgrade pip # for --group")
    if setup.lists:
        lines.append(_NEEDS.format(lists=", ".join(setup.lists)))
        what += ["-r", "/tmp/needs.txt"]
    for name in setup.files:
        what += ["-r", name]
    if setup.itself:
        what += ["-e", setup.itself]
    for group in setup.groups:
        what += ["--group", group]
    what += requires
    lines.append(f"{_VENV}/bin/pip install {shlex.join(what)}")
    return Job("deps", f"Install what the project needs into {_VENV}", run="\n".join(lines), networked=True)


def _setup(folder: Folder, document: dict[str, Any]) -> _Setup:
    project = _table(document, "project")
    extras = {k: v for k, v in _table(project, "optional-dependencies").items() if k in _TESTING}
    groups = {k: v for k, v in _table(document, "dependency-groups").items() if k in _TESTING}
    poetry = _table(_table(_table(document, "tool"), "poetry"), "dependencies")
    files = [name for name in ("requirements.txt", *_DEV_FILES) if _requirements(folder.text(name))]
    declared = [
        *_strings(project.get("dependencies")),
        *(name for name in poetry if name != "python"),
        *(item for items in (*extras.values(), *groups.values()) for item in _strings(items)),
        *(line for name in files for line in _requirements(folder.text(name))),
    ]
    legacy = "install_requires" in folder.text("setup.py") + folder.text("setup.cfg")
    if not legacy and all(item in _IN_IMAGE for item in declared):
        return _Setup()
    package = "build-system" in document or folder.first("setup.py") is not None
    chosen = ",".join(sorted(extras))
    lists = ['*project["dependencies"]'] if _strings(project.get("dependencies")) else []
    lists += [f'*project["optional-dependencies"]["{name}"]' for name in sorted(extras)]
    return _Setup(
        files=tuple(files),
        itself=(f".[{chosen}]" if chosen else ".") if package else "",
        lists=() if package else tuple(lists),
        groups=tuple(sorted(groups)),
        names=frozenset(_name(item) for item in declared),
    )


def _build_requires(folder: Folder, document: dict[str, Any], setup: _Setup) -> tuple[str, ...] | None:
    """What a build without isolation needs beside the image; None where that can't be had or built."""
    if "build-system" not in document and "setup.py" not in folder.files:
        return None
    system = _table(document, "build-system")
    requires = tuple(_strings(system.get("requires")))
    if setup.wanted:
        return requires if all(_PLAIN.fullmatch(item) for item in requires) else None
    return () if all(_image_has(item) for item in requires) else None


def _image_has(requirement: str) -> bool:
    match = re.fullmatch(r"\s*([a-z]+)\s*(>=\s*(\d{1,4})(\.\d+)*)?\s*", requirement)
    return bool(match and match[1] in BUILDERS and int(match[3] or 0) <= BUILDERS[match[1]])


def _requirements(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
