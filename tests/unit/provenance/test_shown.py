"""A statement in words for people."""

from __future__ import annotations

from dataclasses import replace

from buildbox.provenance.shown import describe, outputs_in_short
from buildbox.trees.entry import FILE, Entry
from tests.support.statements import a_statement, a_step


def test_all_that_is_told_and_what_it_takes_from_the_claim() -> None:
    words = dict(describe(a_statement()))
    assert words["task"] == "package of sample"
    assert words["took"] == "1.2s"
    assert words["source"] == f"commit {'1' * 40}, in sub"
    assert words["command"] == "make dist"
    assert words["claims"] == "these inputs alone made these bytes"
    assert "secrets" not in words
    less = a_statement(a_step(network="bridge", secrets=("TOKEN",)), source=None)
    words = dict(describe(less))
    assert (words["source"], words["secrets"]) == ("no commit", "TOKEN")
    lines = [text for _, text in describe(less)]
    assert lines[-3:] == list(less.limits)
    assert words["limits"] == less.limits[0] and "claims" not in words
    assert len(less.limits) == 3


def test_a_stranger_gets_no_hold_of_the_terminal() -> None:
    evil = "\x1b]0;title\x07\u202e\n"
    outputs = (Entry(f"dist/{evil}", FILE, "0" * 64, 1),)
    step = a_step(argv=("sh", "-c", f"{evil}echo\n" * 100), env={"A": evil})
    statement = replace(a_statement(step, outputs=outputs), project=evil)
    lines = [word for pair in describe(statement) for word in pair]
    assert all(line.isprintable() for line in [*lines, outputs_in_short(statement)])
    assert r"\x1b]0;title\x07\u202e" in outputs_in_short(statement)
    assert "and 181 more" in lines


def test_outputs_in_short() -> None:
    assert outputs_in_short(a_statement()) == "dist/a.bin +1"
