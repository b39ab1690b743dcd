"""Patterns against paths, and against each other."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.trees.patterns import compile_patterns, may_overlap


@pytest.mark.parametrize(
    ("pattern", "chosen", "others"),
    [
        ("src", ["src", "src/", "src/a", "src/a/b"], ["source", "a/src", "srcs/a"]),
        ("src/", ["src/", "src/a", "src/a/b"], ["src", "a/src/b"]),
        ("src/**", ["src/a", "src/a/b", "src/.hidden/b"], ["src", "srca/b"]),
        ("src/*", ["src/a", "src/a/b", "src/.a"], ["src", "src/"]),
        ("src/*.c", ["src/a.c", "src/.c", "src/a.c/below"], ["src/a/b.c", "src/a.h"]),
        ("**/*.c", ["a.c", "x/a.c", "x/y/a.c", "x/y.c/below"], ["a.h", "x/ac"]),
        ("src/**/test/*.py", ["src/test/a.py", "src/x/y/test/a.py"], ["src/a.py", "test/a.py"]),
        ("a/**/b/**/c", ["a/b/c", "a/x/b/y/c", "a/b/b/c", "a/b/x/b/c/d"], ["a/c", "a/b", "a/c/b"]),
        ("**", ["a", "a/b", ".x"], []),
        (".", ["a", "a/b"], []),
        ("./a//b", ["a/b", "a/b/c"], ["a"]),
        ("a**b", ["ab", "axxb"], ["a/b"]),
        ("a?c", ["abc", "a\nc", "a\udcffc"], ["ac", "a/c", "abbc"]),
        ("[ab]x", ["ax", "bx"], ["cx"]),
        ("[!ab]x", ["cx"], ["ax", "/x"]),
        ("[^a-c]x", ["dx"], ["bx"]),
        ("x[]-]y", ["x]y", "x-y"], ["xay"]),
        ("x[[:digit:]_]", ["x1", "x_"], ["xa"]),
        (r"x[\]]", ["x]"], [r"x\\"]),
        ("a[x", ["a[x"], ["ax"]),
        (r"\*", ["*"], ["a"]),
        (r"\!a", ["!a"], ["a"]),
        ("a b\n*", ["a b\nc"], ["a b c"]),
        ("A", ["A"], ["a"]),
        ("*a*b*c", ["abc", "xaxbxc", "aabbcc"], ["acb", "abcd"]),
        ("{x}.(y)+$", ["{x}.(y)+$"], ["x.yy"]),
    ],
)
def test_what_a_pattern_names(pattern: str, chosen: list[str], others: list[str]) -> None:
    patterns = compile_patterns([pattern])
    assert [path for path in chosen if not patterns.matches(path)] == []
    assert [path for path in others if patterns.matches(path)] == []
    assert patterns.unmatched(others) == (pattern,)
    assert patterns.unmatched(chosen) == ()


def test_the_last_pattern_that_matches_wins() -> None:
    patterns = compile_patterns(["src", "!**/*.md", "src/README.md", "!src/gen/"])
    chosen = [
        path
        for path in ("src/a.c", "src/b.md", "src/README.md", "src/gen/a.c", "doc/x.md")
        if patterns.matches(path)
    ]
    assert chosen == ["src/a.c", "src/README.md"]


def test_no_patterns_choose_nothing() -> None:
    assert not compile_patterns([]).matches("a")
    assert not compile_patterns(["!a"]).matches("b")


def test_where_a_walk_must_go() -> None:
    patterns = compile_patterns(["src/**/x", "a/b/c", "lib", "!lib/old"])
    led = [folder for folder in ("src", "src/y", "a", "a/b", "a/b/c", "a/c", "lib/new", "lib/old", "z")
           if patterns.may_match_below(folder)]  # fmt: skip
    assert led == ["src", "src/y", "a", "a/b", "a/b/c", "lib/new"]


def test_what_was_taken_away_may_be_chosen_again() -> None:
    assert compile_patterns(["a", "!a/b", "a/b/c"]).may_match_below("a/b")


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 60 + "b", "**/" + "a/**/" * 60 + "b", "**/" + "*a*/**/" * 30 + "b", "*" * 200 + "?" * 50],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    paths = ["a" * 250, "a/" * 1000 + "c", ("a" * 200 + "/") * 15 + "c"]
    start = time.perf_counter()
    patterns = compile_patterns([pattern])
    for path in paths:
        patterns.matches(path)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ("dist/*.whl", "dist/*.tar.gz", False),
        ("dist/*.whl", "dist/app-*", True),
        ("dist", "dist/x", True),
        ("dist/", "dist", True),
        ("dist", "build", False),
        ("dist/a", "dist/b", False),
        ("**/*.o", "lib/x.o", True),
        ("**/*.o", "lib/x.c", True),  # lib/x.c/y.o could be there
        ("out/*/x", "out/a/y", False),
        ("out/*/x", "out/a/b/x", False),
        ("out/**/x", "out/a/b/x", True),
        ("a/**/b", "a/**/c", True),
        ("a[0-9]", "ab", False),
        ("a[0-9]", "a5/", True),
        ("a?", "a", False),
        ("*a*b*", "*b*a*", True),
        ("x*y", "y*x", False),
        ("**", "anything", True),
        (r"\*", "a", False),
        (r"\*", "?", True),
    ],
)
def test_which_outputs_overlap(a: str, b: str, overlap: bool) -> None:
    assert may_overlap([a], [b]) is overlap
    assert may_overlap([b], [a]) is overlap


def test_what_is_taken_away_does_not_overlap() -> None:
    assert not may_overlap(["dist/", "!dist/*.whl"], ["dist/*.whl"])
    assert not may_overlap(["build/", "!build/docs"], ["build/docs/html/"])
    assert not may_overlap(["build/docs/html/"], ["build/", "!build/*"])
    assert may_overlap(["!dist/*.whl", "dist/"], ["dist/*.whl"])
    assert may_overlap(["dist/", "!dist/*.whl"], ["dist/*"])
    assert not may_overlap([], ["a"])


SIGNS = st.text("ab/*?[]!-.", max_size=9)


@given(SIGNS, SIGNS, st.text("ab/", min_size=1, max_size=6))
def test_patterns_that_do_not_overlap_choose_no_path_together(a: str, b: str, path: str) -> None:
    path = "/".join(part for part in path.split("/") if part) or "a"
    both = compile_patterns([a]).matches(path) and compile_patterns([b]).matches(path)
    assert not both or may_overlap([a], [b])


@given(SIGNS, SIGNS)
def test_any_text_is_a_pattern(a: str, b: str) -> None:
    patterns = compile_patterns([a, b])
    assert patterns.matches("a/b") in (True, False)
    assert not patterns.matches("a/b") or patterns.may_match_below("a")
