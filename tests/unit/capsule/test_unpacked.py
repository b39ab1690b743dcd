"""How much layers unpack to, told without unpacking them anywhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator

import pytest

from buildbox.capsule.unpacked import unpacked_size
from tests.support.images import zstd_stored

LIMIT = 1 << 40


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def bomb(size: int) -> bytes:
    """A zstd frame of `size` MiB of zeros, in blocks that are one byte each (RFC 8878, 3.1.1.2.2, RLE)."""
    block = (128 << 10) << 3 | 1 << 1
    blocks = block.to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + blocks * (size * 8 - 1) + (block | 1).to_bytes(3, "little") + b"\0"


@pytest.mark.parametrize("size", [0, 1, 3, 131072, 5_000_000])
def test_sizes_are_those_of_what_is_packed(size: int) -> None:
    data = os.urandom(size // 2) + bytes(size - size // 2)
    assert unpacked_size(pieces(data), LIMIT) == size
    assert unpacked_size(pieces(gzip.compress(data)), LIMIT) == size
    assert (
        unpacked_size(pieces(gzip.compress(data[:100]) + gzip.compress(data[100:]) + bytes(99)), LIMIT)
        == size
    )
    assert unpacked_size(pieces(zstd_stored(data)), LIMIT) == size


def test_what_is_over_the_limit_is_not_counted_to_its_end() -> None:
    taken = 0

    def counted(data: bytes) -> Iterator[bytes]:
        nonlocal taken
        for piece in pieces(data):
            taken += len(piece)
            yield piece

    packed = gzip.compress(bytes(200 << 20))
    assert unpacked_size(counted(packed), 1 << 20) > 1 << 20
    assert taken < len(packed) / 10
    assert unpacked_size(pieces(bomb(64)), LIMIT) == 64 << 20


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x" * 1000)[:-5],
        gzip.compress(b"x" * 1000) + b"more",
        gzip.compress(os.urandom(1000))[:500] + b"x" * 600,
        zstd_stored(b"x" * 1000)[:-5],
        zstd_stored(b"x" * 1000) + b"more",
        zstd_stored(b"x")[:9] + b"\x0f\0\0x",  # a block of the reserved kind
    ],
)
def test_damaged_compression_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="compression is"):
        unpacked_size(pieces(data), LIMIT)
