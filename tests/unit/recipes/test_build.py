from __future__ import annotations

import pytest

from buildbox.errors import ImageError
from buildbox.recipes.build import check_installed
from tests.support.recipes import lock, package

LOCK = lock(package("make"), package("tzdata", "2026b-0", "all"))


def status(*packages: tuple[str, str, str, str]) -> str:
    return "\n".join(
        f"Package: {name}\nStatus: {state}\nArchitecture: {arch}\nVersion: {version}\n"
        for name, arch, version, state in packages
    )


MAKE = ("make", "amd64", "1.0-1", "install ok installed")
TZDATA = ("tzdata", "all", "2026b-0", "install ok installed")


def test_exactly_the_lock() -> None:
    check_installed(status(TZDATA, MAKE), LOCK)


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ((MAKE,), "not installed: tzdata all 2026b-0"),
        (
            (MAKE, TZDATA, ("apt", "amd64", "2.6.1", "install ok installed")),
            "not in the lock: apt amd64 2.6.1",
        ),
        ((MAKE, (*TZDATA[:3], "install ok half-configured")), "not installed: tzdata"),
        ((TZDATA, ("make", "amd64", "1.0-2", "install ok installed")), "not in the lock: make amd64 1.0-2"),
    ],
)
def test_anything_else(packages: tuple[tuple[str, str, str, str], ...], said: str) -> None:
    with pytest.raises(ImageError) as caught:
        check_installed(status(*packages), LOCK)
    assert said in caught.value.hint
