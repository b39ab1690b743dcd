"""The documents are true: each command in docs/ is run, in a real project, and prints what is said there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.docs.world import home_of_ada
from tests.support.documents import Shell, blocks, run_document
from tests.support.images import make_image
from tests.support.project import REPOSITORY
from tests.support.registry import serve

DOCS = REPOSITORY / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()
HOWTOS = ("keeping-builds", "air-gapped", "private-registry", "corporate-network", "ci", "pre-commit")


@contextmanager
def world(name: str, folder: Path, archive: Path) -> Iterator[Shell]:
    """A shell in the home of Ada, with what the document `name` takes around it."""
    names: dict[str, str] = {}
    with ExitStack() as stack:
        if name == "private-registry":
            host = stack.enter_context(serve(folder / "registry")).host
            names["registry.example.com"] = host
            names["registry-example-com"] = re.sub("[.:]", "-", host)  # in the names of a remote archive
        if name == "corporate-network":
            registry = stack.enter_context(serve(folder / "registry", tls=True))
            registry.push(make_image(), "toolchains/python", "3.11")
            names["registry.example.com"] = registry.host
        shell = stack.enter_context(home_of_ada(folder, archive, names=names))
        if name == "corporate-network":
            shutil.copy(folder / "registry/ca.crt", shell.folder / "corporate-ca.crt")
        if name != "tutorial":
            start_in_the_project(shell)
        yield shell


def start_in_the_project(shell: Shell) -> None:
    """Leaves `shell` in the tutorial's project, in which nothing has run yet."""
    assert shell.run("mkdir hello && cd hello && git init -q")[0] == 0
    for block in blocks(TUTORIAL):
        if block.mark == "file":
            shell.write(block)
    assert shell.run("git add . && git commit -qm 'A greeting, and its toolchain'")[0] == 0


def check(document: str, shell: Shell) -> None:
    faults = run_document((REPOSITORY / document).read_text(), shell)
    assert not faults, f"{document}:\n" + "\n\n".join(faults)


@pytest.mark.timeout(600)
def test_the_tutorial(tmp_path: Path, catalogue_archive: Path) -> None:
    with world("tutorial", tmp_path, catalogue_archive) as shell:
        check("docs/tutorial.md", shell)


@pytest.mark.parametrize("name", HOWTOS)
def test_a_howto(name: str, tmp_path: Path, catalogue_archive: Path) -> None:
    with world(name, tmp_path, catalogue_archive) as shell:
        check(f"docs/howto/{name}.md", shell)


def test_the_readmes_tour(tmp_path: Path, catalogue_archive: Path) -> None:
    with world("README", tmp_path, catalogue_archive) as shell:
        check("README.md", shell)
