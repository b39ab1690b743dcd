"""What is said of a rebuild."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.errors import CantTell, Exit
from buildbox.execute import Outcome
from buildbox.rebuilding.build import Built
from buildbox.rebuilding.verdict import State, Verdict, cant_tell, judge, overall
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from tests.support.statements import a_statement, a_step

A, B = (Entry("dist/a", FILE, "aa" * 32, 1), Entry("dist/b", FILE, "bb" * 32, 2))
STATEMENT = a_statement(outputs=(A, B))


def judged(*entries: Entry) -> Verdict:
    return judge(STATEMENT, Built(Outcome(0, 1.5), entries, Path("/made")))


def test_the_same() -> None:
    verdict = judged(A, B)
    assert (verdict.state, verdict.line, verdict.wrong) == (State.IDENTICAL, "identical: its 2 outputs", ())
    assert verdict.state.exit == Exit.OK


@pytest.mark.parametrize(
    ("entries", "states", "said"),
    [
        ((A,), ["identical", "missing"], "dist/b wasn't built"),
        ((A, B, Entry("dist/c", LINK, "", 0)), ["identical", "identical", "extra"], "dist/c is one too many"),
        ((A, B._replace(mode=PROGRAM)), ["identical", "different"], "dist/b is a program, and was a file"),
        (
            (A, Entry("dist/b", FOLDER, "", 0)),
            ["identical", "different"],
            "is an empty folder, and was",
        ),
        (
            (A, B._replace(digest="cc" * 32)),
            ["identical", "different"],
            "dist/b differs: cccccccccccc instead of bbbbbbbbbbbb",
        ),
        (
            (A, B._replace(digest="cc" * 32, size=9)),
            ["identical", "different"],
            "dist/b differs: cccccccccccc instead of bbbbbbbbbbbb, 9 bytes instead of 2",
        ),
    ],
)
def test_every_output_counts(entries: tuple[Entry, ...], states: list[str], said: str) -> None:
    verdict = judged(*entries)
    assert verdict.state is State.DIFFERENT
    assert verdict.state.exit == Exit.DIFFERENT
    assert [output.state for output in verdict.outputs] == states
    (wrong,) = verdict.wrong
    assert said in wrong.lines[0]
    assert verdict.line == f"different: 1 of its {len(states)} outputs"


def test_one_output_is_not_counted() -> None:
    one = a_statement(outputs=(A,))
    built = Built(Outcome(0, 1.0), (A._replace(digest="cc" * 32),), Path("/made"))
    assert judge(one, built).line == "different: its one output"


def test_a_build_that_fails_is_different() -> None:
    verdict = judge(STATEMENT, Built(Outcome(3, 1.0)))
    assert (verdict.state, verdict.outputs) == (State.DIFFERENT, ())
    assert "status 3" in verdict.line


def test_outputs_that_are_refused_are_different() -> None:
    verdict = judge(STATEMENT, Built(Outcome(0, 1.0), refused=("dist/a leads out",)))
    assert verdict.state is State.DIFFERENT
    assert "dist/a leads out" in verdict.line


def test_a_timeout_tells_nothing_of_the_bytes() -> None:
    slow = a_statement(a_step(timeout=90.0), outputs=(A, B))
    verdict = judge(slow, Built(replace(Outcome(124, 90.0), timed_out=True)))
    assert verdict.state is State.CANT_TELL
    assert verdict.missing == ("a machine that builds it within its timeout of 1m30s",)


def test_what_is_missing_is_counted_and_listed() -> None:
    verdict = cant_tell(STATEMENT, CantTell("nothing is here", missing=["one", "two"]))
    assert verdict.line == "can't tell: 2 things are missing"
    assert verdict.missing == ("one", "two")
    assert verdict.state.exit == Exit.CANT_TELL
    assert cant_tell(STATEMENT, CantTell("it is gone")).missing == ("it is gone",)


def test_a_difference_counts_more_than_doubt() -> None:
    assert overall([State.IDENTICAL, State.CANT_TELL]) is State.CANT_TELL
    assert overall([State.DIFFERENT, State.CANT_TELL, State.IDENTICAL]) is State.DIFFERENT


def test_as_json() -> None:
    value = json.loads(json.dumps(judged(A).to_json()))
    assert value == {
        "step": "package",
        "state": "different",
        "reason": "",
        "missing": [],
        "seconds": 1.5,
        "outputs": [
            {
                "path": "dist/a",
                "state": "identical",
                "stated": {"mode": "100644", "sha256": "aa" * 32, "size": 1},
                "built": {"mode": "100644", "sha256": "aa" * 32, "size": 1},
                "why": [],
            },
            {
                "path": "dist/b",
                "state": "missing",
                "stated": {"mode": "100644", "sha256": "bb" * 32, "size": 2},
                "built": None,
                "why": [],
            },
        ],
    }
