from __future__ import annotations

import pytest

from buildbox.config.near import did_you_mean, nearest

KNOWN = ("description", "env", "memory", "outputs", "pass-env", "run", "timeout")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ouputs", "outputs"),
        ("otuputs", "outputs"),
        ("Outputs", "outputs"),
        ("pass_env", "pass-env"),
        ("mem", "memory"),
        ("environment", "env"),
        ("runs", "run"),
        ("timeuot", "timeout"),
    ],
)
def test_a_slip_is_understood(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == meant


@pytest.mark.parametrize("word", ["", "x", "needs", "de", "hermetic", "outputs" * 20])
def test_another_word_is_left_alone(word: str) -> None:
    assert nearest(word, KNOWN) is None
    assert did_you_mean(word, KNOWN) == ""


def test_the_nearest_wins() -> None:
    assert nearest("tset", ["test33", "lint", "test"]) == "test"
    assert nearest("tes", ["tests", "test"]) == "test"
    assert did_you_mean("tset", ["lint", "test"]) == "; did you mean 'test'?"


def test_of_nothing_nothing_is_near() -> None:
    assert nearest("test", []) is None
