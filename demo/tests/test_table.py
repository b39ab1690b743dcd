from __future__ import annotations

from texttable import render


def test_no_rows_no_table() -> None:
    assert render([]) == ""


def test_words_go_left_and_numbers_right() -> None:
    rows = [["fruit", "price"], ["apple", "3.50"], ["fig", "12"]]
    assert render(rows).splitlines() == [
        "fruit  price",
        "-----  -----",
        "apple   3.50",
        "fig       12",
    ]


def test_one_word_makes_a_column_of_words() -> None:
    assert render([["a"], ["1"], ["none"]]).splitlines() == ["a", "----", "1", "none"]


def test_short_rows_are_filled_up() -> None:
    assert render([["a", "b"], ["x"], ["y", "2"]]).splitlines() == ["a  b", "-  -", "x", "y  2"]


def test_wide_characters_keep_the_columns_straight() -> None:
    assert render([["名", "n"], ["ab", "1"]]).splitlines() == ["名  n", "--  -", "ab  1"]
