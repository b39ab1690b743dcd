from __future__ import annotations

import pytest

from buildbox.config.model import Matrix
from buildbox.config.variants import count, expand, fill, placeholders, select, split

MATRIX = Matrix(("python", "python313"), {"DJANGO": ("4", "5"), "EXTRAS": ("", "a,b")})


def names(wanted: str | None, matrix: Matrix | None = MATRIX) -> list[str]:
    return [variant.name for variant in select("test", matrix, wanted)]


def test_variants_come_in_the_order_of_the_file() -> None:
    assert names(None) == [
        "test[python,DJANGO=4,EXTRAS=]",
        "test[python,DJANGO=4,EXTRAS=a,b]",
        "test[python,DJANGO=5,EXTRAS=]",
        "test[python,DJANGO=5,EXTRAS=a,b]",
        "test[python313,DJANGO=4,EXTRAS=]",
        "test[python313,DJANGO=4,EXTRAS=a,b]",
        "test[python313,DJANGO=5,EXTRAS=]",
        "test[python313,DJANGO=5,EXTRAS=a,b]",
    ]
    assert count(MATRIX) == 8


def test_without_a_matrix_there_is_one() -> None:
    [only] = expand("test", None)
    assert (only.name, only.toolchain, only.env) == ("test", None, {})
    assert count(None) == 1


def test_what_does_not_vary_is_not_in_the_name() -> None:
    assert names(None, Matrix((), {"A": ("1",)})) == ["test[A=1]"]
    assert names(None, Matrix(("go",))) == ["test[go]"]


def test_an_address_selects_what_matches() -> None:
    assert names("python313,DJANGO=5,EXTRAS=a,b") == ["test[python313,DJANGO=5,EXTRAS=a,b]"]
    assert names("EXTRAS=a,b,DJANGO=4") == [
        "test[python,DJANGO=4,EXTRAS=a,b]",
        "test[python313,DJANGO=4,EXTRAS=a,b]",
    ]
    assert len(names("python")) == 4
    assert len(names("DJANGO=5,DJANGO=5")) == 4


def test_every_name_is_its_own_address() -> None:
    for variant in expand("test", MATRIX):
        task, wanted = split(variant.name)
        assert select(task, MATRIX, wanted) == (variant,)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("DJANGO=6", "task 'test' has no variant with DJANGO=6; DJANGO is 4, 5"),
        ("pyton", "task 'test' has no variant 'pyton'; did you mean 'python'?"),
        ("", "task 'test' has no variant ''; it varies in python, python313, DJANGO=4,"),
        ("python,", "task 'test' has no variant ''"),
        ("python,python313", "no variant of 'test' has toolchain as 'python' and 'python313'"),
        ("DJANGO=4,DJANGO=5", "no variant of 'test' has DJANGO as '4' and '5'"),
    ],
)
def test_what_selects_nothing_is_told(wanted: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        names(wanted)
    assert str(caught.value).startswith(message)


def test_a_task_without_variants_has_none_to_select() -> None:
    with pytest.raises(ValueError, match="'test' has no variants: it has no matrix"):
        names("python", None)


@pytest.mark.parametrize("address", ["", "[x]", "test[x", "test]x[", "test[a]b", "test[[a]]"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="names no task"):
        split(address)


def test_placeholders_are_filled() -> None:
    first = expand("test", MATRIX)[0]
    assert fill("out/{toolchain}/{DJANGO}-{DJANGO}.txt", first) == "out/python/4-4.txt"
    assert placeholders("out/{toolchain}/{DJANGO}") == ("toolchain", "DJANGO")
    assert placeholders("out/*.txt") == ()


@pytest.mark.parametrize(
    "value", ["", "*", "a?", "!x", "../x", "a/../b", "..", ".", "/x", "x/", "a//b", "{A}"]
)
def test_values_that_are_no_part_of_a_path(value: str) -> None:
    [variant] = expand("test", Matrix((), {"A": (value,)}))
    with pytest.raises(ValueError, match=r"\{A\} is .* in 'test\[A=.*, which can't be a part of a path"):
        fill("out/{A}", variant)


@pytest.mark.parametrize("pattern", ["{", "}", "a{b", "{a}}", "{{a}"])
def test_half_a_brace(pattern: str) -> None:
    with pytest.raises(ValueError, match="without its other half"):
        placeholders(pattern)
