from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

import pytest

from buildbox.config.load import parse
from buildbox.config.model import Config
from buildbox.starter import Starter, start
from buildbox.starter.folder import Folder
from tests.support.samples import ALL, CMAKE, GO, MAKE, NODE, PYTHON, PYTHON_DEPENDENCIES, RUST, Files

PIN = "buildbox/python:3.11@sha256:" + "a" * 64
PINS = {"python/3.11": PIN}
TOOLCHAINS = {
    "python": "python",
    "python with dependencies": "python",
    "node": "node",
    "go": "go",
    "rust": "rust",
    "cmake": "gcc",
    "make": "gcc",
    "java": "java",
    "maven": "java",
    "gradle": "java",
}


def started(files: Files, pins: Mapping[str, str] = PINS) -> Starter:
    return start(Folder(frozenset(files), files), pins)


def config(files: Files, pins: Mapping[str, str] = PINS) -> Config:
    """What the starter for `files` says, which must have no problem."""
    return parse(started(files, pins).text, Path("/project/.buildbox.toml"))


@pytest.mark.parametrize("kind", ALL)
def test_what_is_written_loads(kind: str) -> None:
    found = config(ALL[kind])
    assert found.default
    assert set(found.default) <= set(found.tasks)


@pytest.mark.parametrize(("kind", "toolchain"), TOOLCHAINS.items())
def test_each_kind_has_its_toolchain_and_a_default_test(kind: str, toolchain: str) -> None:
    found = config(ALL[kind])
    assert list(found.toolchains) == [toolchain]
    assert found.default == ("test",)


@pytest.mark.parametrize("kind", ALL)
def test_only_deps_reaches_the_network(kind: str) -> None:
    tasks = config(ALL[kind]).tasks
    assert {name for name, task in tasks.items() if task.network != "none"} == set(tasks) & {"deps"}


@pytest.mark.parametrize("kind", ALL)
def test_nobody_is_sent_to_a_task_that_is_not_there(kind: str) -> None:
    tasks = config(ALL[kind]).tasks
    wanted = [step.removeprefix("next: buildbox run ") for step in started(ALL[kind]).next_steps]
    assert {name for name in tasks if name == "deps"} == set(wanted) & {"deps"}


def test_a_recorded_pin_is_used_and_others_are_left_to_pin() -> None:
    files = {**PYTHON, **NODE}
    toolchains = config(files).toolchains
    assert toolchains["python"].image.text == PIN
    assert (toolchains["node"].image.text, toolchains["node"].image.digest) == ("buildbox/node:18", None)
    steps = " ".join(started(files).next_steps)
    assert "buildbox images build python/3.11" in steps
    assert "toolchains.node" in steps
    assert "toolchains.python" not in steps


def test_without_a_recorded_pin_python_is_to_be_pinned_too() -> None:
    assert config(PYTHON, {}).toolchains["python"].image.text == "buildbox/python:3.11"


def test_several_kinds_have_a_toolchain_each_and_tasks_of_their_own() -> None:
    found = config(dict(chain.from_iterable(ALL[kind].items() for kind in TOOLCHAINS)))
    assert list(found.toolchains) == ["python", "node", "go", "rust", "gcc", "java"]
    assert found.default == ("test-python", "test-node", "test-go", "test-rust", "test-gcc", "test-java")
    assert all(task.name.endswith(f"-{task.toolchain}") for task in found.tasks.values())


def test_nothing_known_gives_an_example() -> None:
    starter = started({"README": "hello"})
    assert starter.parts == ()
    assert "Nothing that buildbox knows" in starter.text
    assert config({"README": "hello"}).default == ("hello",)


# Python


def test_python_sources_in_src_are_found_without_installing_anything() -> None:
    tasks = config(PYTHON).tasks
    assert list(tasks) == ["test", "build"]
    assert tasks["test"].env == {"PYTHONPATH": "src"}


def test_python_dependencies_are_installed_into_a_folder_that_ignores_itself() -> None:
    tasks = config(PYTHON_DEPENDENCIES).tasks
    assert list(tasks) == ["deps", "test", "lint", "types", "build"]
    script = tasks["deps"].run or ""
    assert "-r requirements.txt -e '.[dev]' --group test 'hatchling>=1.24'" in script
    assert "> .buildbox/.gitignore" in script
    assert (tasks["test"].argv or ())[0] == "/src/.buildbox/venv/bin/python"


def test_an_application_that_is_no_package_installs_its_dependencies_only() -> None:
    files = {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["x"]\n', "a.py": "", "test_a.py": ""}
    script = config(files).tasks["deps"].run or ""
    assert '["dependencies"]' in script
    assert " -e " not in script


def test_what_the_image_has_needs_no_installing() -> None:
    project = '[project]\nname = "a"\n[project.optional-dependencies]\ntest = ["pytest"]\n'
    assert "deps" not in config({"pyproject.toml": project}).tasks
    assert "deps" in config({"pyproject.toml": project.replace("pytest", "pytest>=8")}).tasks


@pytest.mark.parametrize(
    ("requires", "builds"),
    [
        ('["setuptools"]', True),
        ('["setuptools>=61.2", "wheel"]', True),
        ('["setuptools>=77"]', True),
        ('["setuptools>=1000"]', False),
        ('["setuptools<61"]', False),
        ('["hatchling>=1.24"]', True),
        ('["flit_core"]', False),
        ('["setuptools", "setuptools-scm"]', False),
    ],
)
def test_a_wheel_is_built_where_the_image_can(requires: str, builds: bool) -> None:
    files = {"pyproject.toml": f'[build-system]\nrequires = {requires}\n[project]\nname = "a"\n'}
    assert ("build" in config(files).tasks) is builds


@pytest.mark.parametrize("files", [{"ruff.toml": ""}, {"pyproject.toml": "[tool.ruff]\n"}, {}])
def test_ruff_checks_where_it_is_configured(files: Files) -> None:
    assert ("lint" in config({"setup.py": "", **files}).tasks) is bool(files)


def test_without_tests_python_is_compiled() -> None:
    assert "compileall" in (config({"setup.py": "", "a.py": ""}).tasks["test"].argv or ())


def test_django_brings_its_own_test_runner() -> None:
    files = {"requirements.txt": "Django==4.2\n", "manage.py": "", "app/tests.py": ""}
    assert (config(files).tasks["test"].argv or ())[1:] == ("manage.py", "test")


# Node


def package(**values: object) -> Files:
    return {"package.json": json.dumps({"name": "a", "dependencies": {"b": "1"}, **values})}


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (package(), "npm install"),
        ({**package(), "package-lock.json": "{}"}, "npm ci"),
        ({**package(), "yarn.lock": ""}, "npx --yes yarn@1 install --frozen-lockfile"),
        (package(packageManager="yarn@4.5.0+sha1.x"), "npx --yes @yarnpkg/cli-dist@4.5.0 install"),
        ({**package(), "pnpm-lock.yaml": ""}, "npx --yes pnpm@9 install --frozen-lockfile"),
        (package(packageManager="pnpm@8.1.0; touch /x"), "npx --yes pnpm@8.1.0 install"),
    ],
)
def test_node_modules_come_from_the_projects_own_manager(files: Files, command: str) -> None:
    assert config(files).tasks["deps"].run == command


def test_the_scripts_of_a_package_are_tasks_and_take_arguments() -> None:
    tasks = config(package(scripts={"test": "jest", "lint": "eslint .", "start": "node ."})).tasks
    assert list(tasks) == ["deps", "test", "lint"]
    assert tasks["test"].argv == ("npm", "test", "--")


def test_the_test_that_npm_init_writes_is_none() -> None:
    scripts = {"test": 'echo "Error: no test specified" && exit 1'}
    assert config(package(scripts=scripts)).tasks["test"].argv == ("npm", "pack", "--dry-run")


# Go and Rust


def test_go_modules_are_downloaded_unless_they_are_vendored() -> None:
    files = {**GO, "go.mod": "module m\n\ngo 1.19\n\nrequire example.com/x v1.0.0\n"}
    assert "deps" in config(files).tasks
    assert "deps" not in config({**files, "vendor/modules.txt": ""}).tasks
    assert "deps" not in config(GO).tasks


@pytest.mark.parametrize(
    ("more", "downloads"),
    [
        ({}, False),
        ({"Cargo.toml": '[package]\nname = "a"\n[dependencies]\nb = "1"\n'}, True),
        ({"Cargo.toml": '[package]\nname = "a"\n[dependencies]\nb = { path = "b" }\n'}, False),
        ({"Cargo.toml": '[package]\nname = "a"\n[target.x.dependencies]\nb = "1"\n'}, True),
        ({"Cargo.lock": '[[package]]\nname = "b"\nsource = "registry+x"\n'}, True),
        ({"Cargo.lock": '[[package]]\nname = "a"\n'}, False),
    ],
)
def test_crates_are_downloaded_where_there_are_any(more: Files, downloads: bool) -> None:
    assert ("deps" in config({**RUST, **more}).tasks) is downloads


def test_a_lock_is_kept_to() -> None:
    assert "--locked" in (config({**RUST, "Cargo.lock": ""}).tasks["test"].argv or ())
    assert "--locked" not in (config(RUST).tasks["test"].argv or ())


# C and C++


def test_a_makefile_of_short_cuts_makes_no_c_project() -> None:
    assert list(config({**PYTHON, "Makefile": "test:\n\tpytest\n"}).toolchains) == ["python"]
    assert list(config({**PYTHON, **MAKE}).toolchains) == ["python", "gcc"]


def test_make_is_asked_for_a_target_that_there_is() -> None:
    assert config(MAKE).tasks["test"].argv == ("make", "check")
    assert config({"Makefile": "test := no\nall:\n"}).tasks["test"].argv == ("make",)


def test_cmake_takes_arguments_and_downloads_beforehand() -> None:
    assert '"$@"' in (config(CMAKE).tasks["test"].run or "")
    downloading = {**CMAKE, "CMakeLists.txt": CMAKE["CMakeLists.txt"] + "FetchContent_Declare(x)\n"}
    assert "DISCONNECTED=ON" in (config(downloading).tasks["test"].run or "")


# What a project wants and the catalogue hasn't


WANTING: Mapping[str, Callable[[str], Files]] = {
    "python": lambda version: {"pyproject.toml": f'[project]\nname = "a"\nrequires-python = ">={version}"\n'},
    "node": lambda version: package(engines={"node": f">={version}"}),
    "go": lambda version: {**GO, "go.mod": f"module m\n\ngo {version}\n"},
    "rust": lambda version: {**RUST, "Cargo.toml": f'[package]\nname = "a"\nrust-version = "{version}"\n'},
    "java": lambda version: {
        **ALL["maven"],
        "pom.xml": f"<maven.compiler.release>{version}</maven.compiler.release>",
    },
}


@pytest.mark.parametrize(
    ("kind", "wanted", "chosen"),
    [
        ("python", "3.9", "3.11"),
        ("python", "3.11.1", "3.11"),
        ("python", "3.12", "3.13"),
        ("node", "18.17", "18"),
        ("node", "20", "20"),
        ("go", "1.18", "1.19"),
        ("go", "1.22.1", "1.24"),
        ("rust", "1.63", "1.63"),
        ("rust", "1.70", "1.85"),
        ("java", "17", "17"),
        ("java", "21", "21"),
    ],
)
def test_the_oldest_version_that_is_new_enough_is_chosen(kind: str, wanted: str, chosen: str) -> None:
    (part,) = started(WANTING[kind](wanted)).parts
    assert (part.recipe, part.notes) == (f"{kind}/{chosen}", ())


@pytest.mark.parametrize(
    "files",
    [
        {**RUST, "Cargo.toml": '[package]\nname = "a"\nedition = "2024"\n'},
        {**RUST, "Cargo.lock": "version = 4\n"},
    ],
    ids=["edition", "lock"],
)
def test_what_only_a_newer_rust_reads(files: Files) -> None:
    assert started(files).parts[0].recipe == "rust/1.85"


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("python", "3.14"), ("node", "22"), ("go", "1.25"), ("rust", "1.90"), ("java", "25")],
)
def test_a_version_that_is_too_old_is_told(kind: str, wanted: str) -> None:
    starter = started(WANTING[kind](wanted))
    (note,) = starter.parts[0].notes
    assert f"asks for {wanted} or later" in note
    assert note in starter.text


def test_gradle_without_its_wrapper_is_told() -> None:
    wrapped = {**ALL["gradle"], "build.gradle": ""}
    assert started(wrapped).parts[0].notes == ()
    (note,) = started({name: text for name, text in wrapped.items() if name != "gradlew"}).parts[0].notes
    assert "no Gradle in this" in note


@pytest.mark.parametrize("kind", ["python", "python with dependencies", "go", "rust", "maven"])
def test_a_version_that_will_do_is_not_talked_of(kind: str) -> None:
    assert started(ALL[kind]).parts[0].notes == ()


# Files that don't say what they should


@pytest.mark.parametrize(
    "files",
    [
        {
            "pyproject.toml": "[project",
            "package.json": "{",
            "Cargo.toml": "=",
            "go.mod": "\0",
            "pom.xml": "<",
        },
        {"pyproject.toml": 'project = "x"\ntool = 1\nbuild-system = []\n', "package.json": "[1]"},
        {"pyproject.toml": "[project]\ndependencies = 1\noptional-dependencies = {dev = 2}\n"},
        {"package.json": json.dumps({"scripts": ["test"], "engines": 1, "packageManager": 5})},
        {"Cargo.toml": "package = 1\ndependencies = 2\ntarget = 3\nworkspace = 4\n"},
        {"pyproject.toml": "a = " + "[" * 5000, "package.json": "[" * 100_000},
    ],
)
def test_rubbish_still_gives_a_file_that_loads(files: Files) -> None:
    assert config(files).tasks


def test_nothing_of_a_projects_text_gets_into_a_script() -> None:
    evil = "x'; touch /tmp/evil; '\"\n'''"
    document = {
        "build-system": {"requires": [evil]},
        "project": {
            "name": "a",
            "dependencies": [evil],
            "optional-dependencies": {evil: [evil], "dev": [evil]},
        },
        "dependency-groups": {evil: [evil]},
    }
    toml = "\n".join(f"{key} = {_inline(value)}" for key, value in document.items())
    scripts = {evil: evil, "test": evil, "lint": evil}
    files = {
        **package(scripts=scripts, packageManager=evil),
        "pyproject.toml": toml,
        "requirements.txt": evil,
    }
    starter = started(files)
    assert config(files).tasks
    assert [part.toolchain for part in starter.parts] == ["python", "node"]
    assert "deps-python" in starter.text
    assert "evil" not in starter.text


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
