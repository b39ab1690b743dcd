"""Results that CI writes and laptops read, through a real registry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.signing.envelope import open_envelope, verify
from buildbox.signing.files import read_statement_file
from buildbox.signing.keys import generate
from tests.integration.run.conftest import MakeProject
from tests.support import registry
from tests.support.graphs import run_graph, run_well
from tests.support.project import Project, keep_image
from tests.support.registry import RealRegistry
from tests.support.tiny_image import tiny_image

TASK = """
[tasks.make]
hermetic = true
inputs = ["in"]
outputs = ["out"]
run = "date +%N > out; cat in; echo made"
"""


@pytest.fixture(scope="module")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running


def configure(project: Project, remote: str, results: str) -> None:
    text = f'[archive]\nremote = "{remote}"\nresults = "{results}"\n'
    (project.home / "config.toml").write_text(text)


def elsewhere(project: Project, folder: Path) -> Project:
    """The same sources and image, on a machine that has never run anything."""
    home = folder / "home"
    home.mkdir(parents=True)
    keep_image(home, tiny_image(), "tests/busybox:1")
    shutil.copytree(project.root, folder / "checkout", ignore=shutil.ignore_patterns(".buildbox", "out"))
    return replace(project, root=folder / "checkout", home=home)


def test_what_ci_has_made_is_not_made_again(
    make_project: MakeProject, real_registry: RealRegistry, tmp_path: Path
) -> None:
    remote = f"{real_registry.host}/team/archive"
    ci = make_project(TASK)
    ci.write({"in": "text\n"})
    laptop, other = elsewhere(ci, tmp_path / "laptop"), elsewhere(ci, tmp_path / "other")
    configure(laptop, remote, "pull")
    assert run_well(laptop, "make").states == {"make": "passed"}, "what isn't configured to push, doesn't"
    shutil.rmtree(laptop.home / "archive/results")

    configure(ci, remote, "push")
    assert run_well(ci, "make").states == {"make": "passed"}
    made = (ci.root / "out").read_text()
    run = run_well(laptop, "make")
    assert (run.states, run.output["make"]) == ({"make": "cached"}, "text\nmade\n")
    assert (laptop.root / "out").read_text() == made

    configure(other, remote, "off")
    assert run_well(other, "make").states == {"make": "passed"}
    assert run_well(other, "make").states == {"make": "cached"}


def test_a_remote_that_is_down_costs_a_note(make_project: MakeProject) -> None:
    project = make_project(TASK)
    project.write({"in": ""})
    configure(project, "127.0.0.1:1/team/archive", "push")
    run = run_graph(project, "make")
    assert (run.status, run.states) == (0, {"make": "passed"})
    assert run.errors.count("can't be reached") == 1


def test_a_statement_comes_with_the_result_and_is_signed_once(
    make_project: MakeProject, real_registry: RealRegistry, tmp_path: Path
) -> None:
    remote = f"{real_registry.host}/signed/archive"
    ci = make_project(TASK)
    ci.write({"in": "to be signed\n"})
    laptop = elsewhere(ci, tmp_path / "laptop")
    configure(ci, remote, "push")
    configure(laptop, remote, "pull")
    key = generate(ci.home / "ci.key", None)
    assert run_well(ci, "make").states == {"make": "passed"}
    run = run_well(ci, "--sign", "--key", str(ci.home / "ci.key"), "make")
    assert run.states == {"make": "cached"}, "what is there already is signed"
    assert run_well(laptop, "--provenance", "make").states == {"make": "cached"}
    data, envelope = read_statement_file(laptop.root / "out.intoto.jsonl")
    assert (data, envelope) == read_statement_file(ci.root / "out.intoto.jsonl")
    assert envelope and verify(open_envelope(envelope), [key]) == (key.id,)
