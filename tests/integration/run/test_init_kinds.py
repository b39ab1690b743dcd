"""For each kind of project that `init` knows, what it writes, run as it is in the catalogue's toolchain.

Its tasks run as another user than root where that can be had: whom images know less, and who may less.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildbox.config.load import parse
from tests.integration.run.conftest import CALLERS
from tests.support.project import Project, lend_archive, let_others_pass
from tests.support.samples import CMAKE, GO, JAVA, MAKE, MAVEN, NODE, RUST, Files

CALLER = CALLERS[-1]


@dataclass(frozen=True)
class Kind:
    """A sample project, and what shows that its tasks did what they say."""

    recipe: str
    files: Files
    says: Mapping[str, str]  # by each of its tasks, on stdout or stderr
    makes: str = ""  # a file that is there afterwards, the caller's own
    breaks: tuple[str, str] = ("2 *", "3 *")  # a text in its sources, and one with which its test must fail


KINDS = {
    "node": Kind("node/18", NODE, {"test": "# pass 1", "build": "> node -e 0"}),
    "go": Kind("go/1.19", GO, {"test": "ok  \texample.com/sample", "lint": "", "build": ""}),
    "rust": Kind(
        "rust/1.63",
        {**RUST, "clippy.toml": ""},
        {"test": "1 passed", "lint": "Finished", "build": "Finished release"},
        "target/release/libsample.rlib",
    ),
    "cmake": Kind(
        "gcc/12",
        CMAKE,
        {"test": "100% tests passed", "build": "Built target sample-test"},
        ".buildbox/cmake/sample-test",
    ),
    "make": Kind("gcc/12", MAKE, {"test": "./sample-test", "build": ""}, "sample-test"),
    "java": Kind("java/17", JAVA, {"test": ""}, ".buildbox/classes/sample/Sample.class", ("int n", "in n")),
}
Start = Callable[[str, Files], Project]


@pytest.fixture
def start(tmp_path: Path, need_toolchain: Callable[[str], Path]) -> Start:
    """Makes a project of the caller's in which `init` was run."""

    def make(recipe: str, files: Files) -> Project:
        let_others_pass(tmp_path)
        project = Project(tmp_path / "project", tmp_path / "home", CALLER)
        project.root.mkdir()
        project.home.mkdir()
        lend_archive(need_toolchain(recipe), project.home, CALLER)
        project.write(files)
        assert f"next: buildbox images build {recipe}" in project.run("init").err
        project.ok("check")
        return project

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_does_what_it_says(kind: str, start: Start) -> None:
    it = KINDS[kind]
    project = start(it.recipe, it.files)
    path = project.root / ".buildbox.toml"
    assert set(parse(path.read_text(), path).tasks) == set(it.says)
    for task, words in it.says.items():
        result = project.run("run", task)
        assert result.status == 0, f"{task}: {result.out}\n{result.err}"
        assert words in result.out + result.err
    assert (project.root / it.makes).stat().st_uid == CALLER.uid
    project.write({name: text.replace(*it.breaks) for name, text in it.files.items()})
    assert 0 < project.run("run").status < 120


def test_maven_says_what_it_lacks(start: Start) -> None:
    project = start("java/17", MAVEN)
    result = project.run("run", "test")
    assert "has not been downloaded" in result.out
    assert 0 < result.status < 120


def test_a_maven_project_once_its_plugins_are_there(
    start: Start, maven_plugins: Callable[[str], Path]
) -> None:
    """Debian's plugins stand in for those that the task `deps` would download."""
    project = start("java/17", MAVEN)
    shutil.copytree(maven_plugins("bookworm"), project.root / ".buildbox/m2", dirs_exist_ok=True)
    project.own()
    assert "Tests run: 1, Failures: 0" in project.ok("run", "test")
    project.ok("run", "build")
    assert (project.root / "target/sample-1.0.jar").stat().st_uid == CALLER.uid


def test_java_trusts_authorities(start: Start) -> None:
    """Their keystore was changed after Java had made it; keytool checks its sum."""
    project = start("java/17", JAVA)
    command = ["keytool", "-list", "-cacerts", "-storepass", "changeit"]
    out = project.ok("exec", "java", "--", *command)
    assert "trustedCertEntry" in out
    dates = {line.partition(".pem, ")[2] for line in out.splitlines() if ".pem, " in line}
    assert dates == {"Jul 11, 2026, trustedCertEntry, "}
