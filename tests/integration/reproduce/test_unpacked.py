"""How much layers unpack to that Debian's zstd has packed."""

from __future__ import annotations

import subprocess

import pytest

from buildbox.capsule.unpacked import unpacked_size

LIMIT = 1 << 40


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 1000] for at in range(0, len(data), 1000)]


def zstd(data: bytes, *options: str) -> bytes:
    """As Debian's zstd packs it."""
    return subprocess.run(["zstd", "-c", "-q", *options], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("options", "most"), [((), 1.2), (("--no-check",), 1.2), (("--fast",), 1.2), (("-19",), 13)]
)
def test_zstd_is_never_told_too_small_nor_much_too_large(options: tuple[str, ...], most: float) -> None:
    data = b"".join(b"%d some text that packs well\n" % number for number in range(40_000))
    packed = zstd(data, *options)
    two = packed + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + packed  # a frame to be skipped between
    assert len(data) <= unpacked_size(pieces(packed), LIMIT) <= most * len(data)
    assert 2 * len(data) <= unpacked_size(pieces(two), LIMIT) <= most * 2 * len(data)
