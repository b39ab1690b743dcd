"""docs/security.md names the tests that show what it says; they are there, and none can be missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/security.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
END = "## What is not promised"


def claims(text: str) -> Iterator[str]:
    """The items of all lists before what isn't promised."""
    for section in text.partition(END)[0].split("\n## ")[1:]:
        for item in re.split(r"^- ", section, flags=re.MULTILINE)[1:]:
            yield re.split(r"\n\n", item)[0]


def test_each_claim_names_tests_that_exist() -> None:
    text = PAGE.read_text()
    found = list(claims(text))
    assert len(found) > 40
    wrong = [f"no test shows: {claim.splitlines()[0]}" for claim in found if not _TEST.search(claim)]
    functions = {
        path: {node.name for node in ast.parse((ROOT / path).read_text()).body if hasattr(node, "name")}
        for path in {path for path, _ in _TEST.findall(text)}
        if (ROOT / path).exists()
    }
    wrong += [f"{path}::{name}" for path, name in _TEST.findall(text) if name not in functions.get(path, ())]
    assert wrong == []


def test_nothing_else_looks_like_a_test_that_nobody_checks() -> None:
    text = PAGE.read_text()
    assert text.count("::test_") == len(_TEST.findall(text))
    assert END in text and "::test_" not in text.partition(END)[2]
