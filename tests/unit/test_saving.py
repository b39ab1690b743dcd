from __future__ import annotations

import pytest

from buildbox.oci import Platform
from buildbox.saving import platforms_of
from tests.support.images import AMD64, ARM64
from tests.support.values import toolchain

RISCV = Platform("linux", "riscv64")


def never() -> Platform:
    raise AssertionError("the engine was asked")


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (None, (ARM64,), (ARM64,)),
        (None, (ARM64, AMD64, ARM64), (ARM64, AMD64)),
        (AMD64, (), (AMD64,)),
        (AMD64, (ARM64, AMD64), (AMD64,)),
    ],
)
def test_the_platforms_that_are_needed(
    own: Platform | None, given: tuple[Platform, ...], expected: tuple[Platform, ...]
) -> None:
    assert platforms_of(toolchain(platform=own), given, False, never) == expected


def test_the_engine_is_asked_only_where_nothing_else_says() -> None:
    assert platforms_of(toolchain(), (), False, lambda: RISCV) == (RISCV,)


def test_all_platforms_are_not_listed() -> None:
    for each in (toolchain(), toolchain(platform=AMD64)):
        assert platforms_of(each, (), True, never) is None
