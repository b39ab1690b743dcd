"""`buildbox graph` and `buildbox list`, as commands: neither needs an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.values import PIN
from tests.unit.cli.test_main import buildbox

CONFIG = f"""
[project]
default = ["package"]
[toolchains.tools]
image = "{PIN}"
[toolchains.other]
image = "{PIN}"
[defaults]
toolchain = "tools"
[tasks.fetch]
run = "true"
hermetic = true
outputs = ["vendor/"]
[tasks.test]
run = "true"
needs = ["fetch"]
services = ["db"]
matrix.toolchain = ["tools", "other"]
[tasks.package]
run = "true"
description = "The package"
needs = ["test[other]"]
[services.db]
image = "{PIN}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".buildbox.toml").write_text(CONFIG)
    return folder


def test_the_whole_graph_as_text(project: Path) -> None:
    done = buildbox(project, "graph")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "package\n└─ test (2 variants)\n   └─ fetch\n"


def test_some_tasks_and_their_variants(project: Path) -> None:
    assert buildbox(project, "graph", "package").stdout == "package\n└─ test[other]\n   └─ fetch\n"
    assert buildbox(project, "graph", "--variants", "test").stdout == (
        "test[tools]\n└─ fetch\ntest[other]\n└─ fetch\n"
    )


@pytest.mark.parametrize(
    ("file", "start"),
    [("g.svg", "<?xml"), ("g.dot", "digraph tasks {"), ("g.mmd", "flowchart LR"), ("g", "package\n")],
)
def test_a_file_gets_the_format_of_its_ending(file: str, start: str, project: Path) -> None:
    done = buildbox(project, "graph", "-o", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"buildbox: wrote {file}\n")
    assert (project / file).read_text().startswith(start)


def test_a_format_by_name(project: Path) -> None:
    assert buildbox(project, "graph", "--format", "dot", "-o", "-").stdout.startswith("digraph")
    assert buildbox(project, "graph", "--format", "mermaid", "-o", "g.svg").returncode == 0
    assert (project / "g.svg").read_text().startswith("flowchart")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("graph", "--format", "png"), "buildbox: --format png: there is no such format\n"),
        (("graph", "pakage"), "buildbox: there is no task 'pakage'\n  Did you mean 'package'?\n"),
        (("graph", "-o", "no/such/folder"), "buildbox: no/such/folder can't be written: No such file"),
        (("graph", "--json", "-o", "x"), "buildbox: both --json and --format or --output\n"),
    ],
)
def test_what_can_not_be_drawn(line: tuple[str, ...], says: str, project: Path) -> None:
    done = buildbox(project, *line)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)


def test_the_graph_as_json_has_each_variant(project: Path) -> None:
    found = json.loads(buildbox(project, "--json", "graph").stdout)
    assert found["project"] == "project"
    assert found["targets"] == ["fetch", "test[tools]", "test[other]", "package"]
    assert [step["needs"] for step in found["steps"]] == [[], ["fetch"], ["fetch"], ["test[other]"]]
    assert found["steps"][2] == {
        "name": "test[other]",
        "task": "test",
        "needs": ["fetch"],
        "toolchain": "other",
        "hermetic": False,
        "services": ["db"],
        "outputs": [],
    }


def test_the_list_tells_what_differs_between_tasks(project: Path) -> None:
    done = buildbox(project, "list")
    assert done.stdout == (
        "TASK      TOOLCHAIN     VARIANTS  HERMETIC  DESCRIPTION  NEEDS\n"
        "fetch     tools                   yes\n"
        "test      tools, other  2                                fetch\n"
        "package*  tools                             The package  test[other]\n"
    )
    assert done.stderr == "buildbox: * runs by default\n"


def test_the_list_is_as_short_as_the_project(project: Path) -> None:
    (project / ".buildbox.toml").write_text(
        f'[project]\ndefault = ["t[A=1]"]\n[toolchains.x]\nimage = "{PIN}"\n'
        '[tasks.t]\nrun = "x"\ndescription = "T"\nmatrix.env.A = ["1"]\n'
    )
    done = buildbox(project, "list")
    assert done.stdout == "TASK  TOOLCHAIN  VARIANTS  DESCRIPTION\nt     x          1         T\n"
    assert done.stderr == "buildbox: by default: t[A=1]\n"


def test_the_list_as_json(project: Path) -> None:
    found = json.loads(buildbox(project, "list", "--json").stdout)
    fetch, test, _ = found["tasks"]
    assert (fetch["hermetic"], fetch["variants"]) == (
        True,
        [{"name": "fetch", "toolchain": "tools", "env": {}}],
    )
    assert (test["needs"], test["services"]) == (["fetch"], ["db"])
    assert test["variants"][1] == {"name": "test[other]", "toolchain": "other", "env": {}}


def test_check_counts_services(project: Path) -> None:
    done = buildbox(project, "check")
    assert (
        done.stderr
        == "buildbox: .buildbox.toml is in order: 3 tasks, 2 pinned toolchains, 1 pinned service\n"
    )
    assert json.loads(buildbox(project, "check", "--json").stdout)["services"] == {"db": PIN}
