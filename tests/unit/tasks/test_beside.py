"""Which files of statements lie beside what a step made."""

from __future__ import annotations

import pytest

from buildbox.tasks.beside import artifacts, statement_patterns
from buildbox.trees.patterns import compile_patterns

FILES = ["dist/a.whl", "dist/b.tar.gz", "dist/more/c", "docs/index.html", "docs/x/y", "single"]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (["dist/*.whl", "single"], ["dist/a.whl", "single"]),
        (["dist/"], ["dist"]),
        (["dist"], ["dist"]),
        (["dist/**", "docs/**/y"], ["dist", "docs"]),
        (["d*/"], ["dist", "docs"]),
        (["dist/*"], ["dist/a.whl", "dist/b.tar.gz", "dist/more"]),
        (["**/*.whl"], ["dist/a.whl"]),
        (["**"], FILES),
        (["."], FILES),
        (["dist/", "dist/a.whl"], ["dist"]),
        (["./dist//more/"], ["dist/more"]),
        (["dist/**", "!dist/*.gz"], ["dist"]),
    ],
)
def test_a_file_or_the_folder_that_a_pattern_names(outputs: list[str], expected: list[str]) -> None:
    chosen = compile_patterns(outputs)
    files = [path for path in FILES if chosen.matches(path)]
    found = artifacts(outputs, files)
    assert list(found) == expected
    never_inputs = compile_patterns([*outputs, *statement_patterns(outputs)])
    assert all(never_inputs.matches(f"{path}.intoto.jsonl") for path in found)


def test_other_statements_may_be_inputs() -> None:
    patterns = compile_patterns(list(statement_patterns(["dist/*.whl", "docs/"])))
    assert not any(map(patterns.matches, ("tests/data/a.intoto.jsonl", "dist/a.whl", "dist/a.intoto.jsonl")))
