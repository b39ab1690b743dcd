from __future__ import annotations

import pytest

from buildbox.errors import ConfigError, ImageError
from tests.support.wheels import BOOKWORM, target


def test_the_python_that_a_lock_installs() -> None:
    found = target()
    assert (found.python, found.series, found.abi) == ("3.11.2", "3.11", "cp311")
    trixie = target(packages=(("libc6", "2.41-12"), ("python3", "3.13.5-1")))
    assert (trixie.python, trixie.series, trixie.abi, trixie.glibc) == ("3.13.5", "3.13", "cp313", 41)


def test_platforms_from_the_newest_glibc_that_it_has_to_the_first() -> None:
    tags = target().platforms
    assert tags[0] == "manylinux_2_36_x86_64"
    assert tags[-3:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64")
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64"} < set(tags)
    assert not any("2_37" in tag or "musllinux" in tag for tag in tags)
    arm = target("arm64").platforms
    assert arm[-3:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")


@pytest.mark.parametrize("packages", [(), BOOKWORM[:1], (BOOKWORM[0], ("python3-minimal", "3.11.2-1+b1"))])
def test_a_lock_without_python(packages: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        target(packages=packages)
    assert "python3" in caught.value.hint


def test_an_architecture_without_wheels() -> None:
    with pytest.raises(ImageError, match="'m68k'"):
        target("m68k")
