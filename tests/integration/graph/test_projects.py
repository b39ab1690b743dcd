"""Real projects as graphs, fetch -> build -> test -> package: a C library, a Python and a Node package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.integration.graph.conftest import MakeReal
from tests.support.graphs import digests, run_well

pytestmark = pytest.mark.timeout(900)  # the first test of a recipe waits for its image


@dataclass(frozen=True)
class Real:
    """A project of PROJECTS and what is known of it."""

    recipes: Mapping[str, str]  # of its toolchains
    makes: tuple[str, ...]  # patterns of what it is built for
    says: Mapping[str, str]  # by steps, in their output
    changed: str  # a file of which only one step knows
    reruns: set[str]  # what must run again when it changes
    images: Mapping[str, str] = field(default_factory=dict)  # of its services


REAL = {
    "c": Real(
        {"gcc": "gcc/12", "apt": "builder/12"},
        ("dist/*.tar.gz", "out/example", "zlib/libz.*"),
        {"check": "zlib shared test OK", "example": "1.2.13: 39 bytes in 20"},
        "example.c",
        {"example"},  # which comes out the same, so that it isn't packed again
    ),
    "python": Real(
        {"python": "python/3.11"},
        ("release/*.whl", "release/*.tar.gz", "release/SHA256SUMS"),
        {
            "build": "Successfully built pg8000-1.31.2.tar.gz and pg8000-1.31.2-py3-none-any.whl",
            "test": "217 passed, 1 deselected",
        },
        "test_notes.py",
        {"test"},
        {"postgres": "postgres/15"},
    ),
    "node": Real(
        {"node": "node/18"},
        ("dist/minimist-1.2.8.tgz",),
        {"build": "added 16 packages", "test": "# pass  154"},
        "more.js",
        {"test"},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_project(name: str, make_real: MakeReal) -> None:
    real = REAL[name]
    project = make_real(name, real.recipes, real.images)

    first = run_well(project, "package")
    assert first.of("passed") == first.states.keys() >= {"fetch", "build", "package"}
    for step, words in real.says.items():
        assert words in first.output[step]
    made = digests(project.root, *real.makes)
    assert made

    again = run_well(project, "package")
    assert again.of("cached") == first.states.keys()
    assert again.output["build"] == first.output["build"]
    assert digests(project.root, *real.makes) == made

    for pattern in real.makes:
        for path in project.root.glob(pattern):
            path.unlink()
    assert run_well(project, "package").of("cached") == first.states.keys()
    assert digests(project.root, *real.makes) == made

    with (project.root / real.changed).open("a") as file:
        file.write("\n")
    changed = run_well(project, "package")
    assert changed.of("passed") == real.reruns
    assert digests(project.root, *real.makes) == made

    forced = run_well(project, "--force", "package")
    assert forced.of("passed") == first.states.keys()
    assert digests(project.root, *real.makes) == made
