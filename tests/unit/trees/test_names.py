from __future__ import annotations

import pytest

from buildbox.trees.names import MAX_DEPTH, MAX_PATH, link_problem, name_problem, parents


@pytest.mark.parametrize("path", ["a", "a/b", "é", ".hidden", "a b", "-", "a\\b", "...", "a/" * 99 + "b"])
def test_names_that_are_taken(path: str) -> None:
    assert name_problem(path) == ""


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a\nb", "control characters"),
        ("a\x1b[2J", "control characters"),
        ("a\x7f", "control characters"),
        ("a\udcff", "isn't UTF-8"),
        ("é" * (MAX_PATH // 2 + 1), f"{MAX_PATH + 2} bytes"),
        ("a/" * MAX_DEPTH + "b", f"more than {MAX_DEPTH} folders"),
    ],
)
def test_names_that_are_refused(path: str, problem: str) -> None:
    assert problem in name_problem(path)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("l", "a"),
        ("l", "./a//b/"),
        ("a/l", "../b"),
        ("a/b/l", "../../c/d"),
        ("a/l", ".."),
        ("a/l", "./../b"),
        ("l", "..."),
    ],
)
def test_links_that_stay(path: str, target: str) -> None:
    assert link_problem(path, target) == ""


@pytest.mark.parametrize(
    ("path", "target", "problem"),
    [
        ("l", "/etc/passwd", "an absolute path, /etc/passwd"),
        ("l", "/src/a", "an absolute path"),
        ("l", "..", "leads out of the project"),
        ("a/l", "../../b", "leads out of the project"),
        ("a/l", "./.././../b", "leads out of the project"),
        ("a/b/l", "c/../../../../d", "goes up again behind a name"),
        ("a/l", "b/..", "goes up again behind a name"),
        ("l", "a\nb", "control characters"),
    ],
)
def test_links_that_are_refused(path: str, target: str, problem: str) -> None:
    assert problem in link_problem(path, target)


def test_parents_are_named_from_the_top() -> None:
    assert parents("a/b/c") == ["a", "a/b"]
    assert parents("a") == []
