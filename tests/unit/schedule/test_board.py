"""Which step goes on next."""

from __future__ import annotations

from buildbox.schedule.board import Board
from tests.support.jobs import plan, step


def ready(count: int, limit: int, cpus: int) -> Board:
    """A board whose steps a, b, c … are all prepared."""
    steps = [step(chr(ord("a") + n)) for n in range(count)]
    board = Board(plan(*steps), limit, cpus)
    while name := board.take_fresh():
        board.ready(name)
    return board


def test_free_slots_first_and_then_places_ahead_of_them() -> None:
    board = ready(9, limit=2, cpus=8)
    assert [board.take_ready() for _ in range(5)] == ["a", "b", "c", "d", None]
    assert board.parked("a")
    assert not board.parked("c")


def test_no_more_than_four_are_ahead() -> None:
    board = ready(20, limit=10, cpus=64)
    assert len([name for _ in range(20) if (name := board.take_ready())]) == 14


def test_parking_ahead_is_not_done_for_more_than_there_are_cpus_at_once() -> None:
    board = ready(9, limit=2, cpus=1)
    assert [board.take_ready() for _ in range(4)] == ["a", "b", "c", None]
    assert not board.parked("c")
    assert [board.take_ready() for _ in range(2)] == ["d", None]


def test_one_that_is_parked_takes_the_slot_of_one_that_is_not() -> None:
    board = ready(9, limit=2, cpus=8)
    for _ in range(4):
        board.take_ready()
    board.parked("d")
    board.free("a")
    assert board.take_parked() == "d"
    board.free("b")
    assert board.take_parked() is None  # but the slot is the next one's now
    assert board.parked("c")


def test_the_plans_order_among_those_that_are_parked() -> None:
    board = ready(9, limit=2, cpus=8)
    for _ in range(4):
        board.take_ready()
    board.parked("d")
    board.parked("c")
    board.free("b")
    assert [board.take_parked(), board.take_parked()] == ["c", None]


def test_what_can_never_go_on() -> None:
    steps = step("a"), step("b", "a"), step("c"), step("d", "b", "c"), step("e", "c")
    board = Board(plan(*steps), 2, 2)
    assert board.cut("a") == ("b", "d")
    board.passed("c")
    assert [board.take_fresh() for _ in range(4)] == ["a", "c", "e", None]


def test_what_nothing_is_done_for_leaves_the_board() -> None:
    steps = [*map(step, "abcdef"), step("g", "a")]
    board = Board(plan(*steps), 1, 8)
    for _ in range(3):
        name = board.take_fresh()
        assert name
        board.ready(name)
    assert [board.take_ready() for _ in range(2)] == ["a", "b"]
    assert board.clear() == ("c", "d", "e", "f", "g")  # b is being parked
    board.parked("b")
    assert board.clear() == ("b",)
    assert board.clear() == ()
