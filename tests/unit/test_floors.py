"""The floors of ARCHITECTURE.md: a module imports from floors below it, and from its own package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "buildbox"

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "__init__ capped digest errors host mounts progress spool units workspace",
        "frames identity leases masking oci reference signing",
        "comparing trees",
        "config logs",
        "project trust",
        "tasks",
        "container provenance registry",
        "engine",
        "archive secrets volumes",
        "execute images recipes sources vary verifying",
        "session vetting",
        "caches schedule services",
        "ground stages surroundings",
        "run workplace",
        "jobs",
        "hermetic",
        "doctor hooking pins pipelines policy rebuilding running saving starter",
        "capsule toolchains",
        "console",
        "cli",
        "__main__",
    )
)

ONLY = {  # package -> the files that may import it, anywhere in them
    "docker": ("engine/docker.py", "engine/faults.py", "registry/credentials.py"),
    "rich": ("console/",),
    "tomlkit": ("config/",),
    "typer": ("cli/",),
    "click": (),
    "requests": ("engine/adapter.py", "engine/faults.py", "registry/"),
    "urllib3": ("engine/adapter.py", "engine/faults.py", "registry/"),
    "platformdirs": ("cli/host.py",),
    "watchfiles": ("cli/watch.py",),
    "packaging": ("recipes/",),
    "installer": ("recipes/install_wheels.py",),
    "securesystemslib": ("signing/",),
    "cryptography": ("signing/",),
}

SURROUNDINGS = {  # what only the floors that face the caller may ask the process for
    "os": {"environ", "environb", "getenv", "getcwd", "getcwdb", "getuid", "getgid", "geteuid", "getegid"},
    "Path": {"cwd", "home"},
    "time": {"time", "time_ns"},
    "sys": {"argv", "stdin", "stdout", "stderr"},
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
    "builtins": {"print", "input"},
}
FACING_THE_CALLER = ("cli/", "console/")


def files() -> dict[str, ast.Module]:
    found = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 40
    return found


def imports(tree: ast.Module, known: frozenset[str]) -> Iterator[str]:
    """The modules that are imported anywhere in `tree`; `from buildbox import x` is `buildbox.x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            inner = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else module for name in inner)


def module_name(file: str) -> str:
    parts = Path("buildbox", file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit(module: str) -> str:
    """The row of the table that a module belongs to."""
    return [*module.split("."), "__init__"][1]


def floor_faults(module: str, imported: str) -> str | None:
    if not f"{imported}.".startswith("buildbox.") or unit(module) == unit(imported):
        return None
    mine, other = (
        next((n for n, row in enumerate(FLOORS) if unit(name) in row), None) for name in (module, imported)
    )
    if mine is None or other is None:
        return f"{module if mine is None else imported} is not in FLOORS"
    return None if other < mine else f"{module} (floor {mine}) imports {imported} (floor {other})"


def asked(tree: ast.Module) -> Iterator[str]:
    """What a module asks of its surroundings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in SURROUNDINGS.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            names = SURROUNDINGS.get(node.module or "", ())
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name in names)
        elif isinstance(node, ast.Name) and node.id in SURROUNDINGS["builtins"]:
            yield node.id


def graph() -> dict[str, set[str]]:
    trees = {module_name(file): tree for file, tree in files().items()}
    known = frozenset(trees)
    return {module: set(imports(tree, known)) for module, tree in trees.items()}


def test_every_module_is_on_a_floor_and_imports_only_from_below() -> None:
    faults = [floor_faults(module, name) for module, names in graph().items() for name in names]
    assert [fault for fault in faults if fault] == []
    units = {unit(module) for module in graph()}
    assert units <= frozenset().union(*FLOORS)
    assert len(frozenset().union(*FLOORS)) == sum(map(len, FLOORS)), "a module is on one floor"


def test_no_module_imports_itself_by_way_of_others() -> None:
    own = {
        module: {name for name in names if name.startswith("buildbox") and name != module}
        for module, names in graph().items()
    }
    TopologicalSorter(own).prepare()  # raises CycleError, which names the way round


@pytest.mark.parametrize("package", ONLY)
def test_only_its_own_modules_import(package: str) -> None:
    guilty = [
        file
        for file, tree in files().items()
        if not file.startswith(ONLY[package] or "-")
        and any(name.split(".")[0] == package for name in imports(tree, frozenset()))
    ]
    assert guilty == []


def test_only_the_command_line_asks_the_process_for_its_surroundings() -> None:
    guilty = {
        file: found
        for file, tree in files().items()
        if not file.startswith(FACING_THE_CALLER) and (found := sorted(set(asked(tree))))
    }
    assert guilty == {}


def test_these_checks_find_what_they_look_for() -> None:
    tree = ast.parse(
        "import os\nfrom time import time\n"
        "def f():\n  from rich import print as p\n  print(os.environ, sys.argv)\n"
    )
    assert sorted(asked(tree)) == ["os.environ", "print", "sys.argv", "time.time"]
    assert set(imports(tree, frozenset())) == {"os", "time", "rich"}
    assert floor_faults("buildbox.digest", "buildbox.errors")
    assert floor_faults("buildbox.engine.find", "buildbox.cli.main")
    assert floor_faults("buildbox.novelty", "buildbox.errors") == "buildbox.novelty is not in FLOORS"
    assert floor_faults("buildbox.cli.main", "buildbox.cli.call") is None


PROJECT = """
[toolchains.tools]
image = "registry.example.com/tools:1@sha256:{digest}"
[tasks.test]
run = "true"
"""


@pytest.mark.parametrize(
    ("line", "status", "unwanted"),
    [
        ("--version", 0, {"docker", "requests", "urllib3", "platformdirs"}),
        ("--help", 0, {"docker", "requests", "urllib3", "platformdirs"}),
        ("list", 0, {"docker", "requests", "urllib3"}),
        ("run --engine unix:///nowhere/to/be/found.sock test", 120, set()),
    ],
)
def test_the_fast_path_imports_nothing_heavy(
    line: str, status: int, unwanted: set[str], tmp_path: Path
) -> None:
    (tmp_path / ".buildbox.toml").write_text(PROJECT.format(digest="0" * 64))
    script = (
        "import sys; from buildbox.cli.main import run_line; status = run_line(sys.argv[1:]);"
        "print(int(status), *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.split()],
        cwd=tmp_path,
        env={
            "BUILDBOX_HOME": str(tmp_path / "own"),
            "PYTHONPATH": str(PACKAGE.parent),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    words = done.stderr.splitlines()[-1].split()
    assert words[0] == str(status), done.stderr
    assert (unwanted | {"rich", "tomlkit", "cryptography", "securesystemslib"}) & set(words[1:]) == set()
