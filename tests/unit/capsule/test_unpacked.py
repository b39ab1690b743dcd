"""How much layers unpack to, told without unpacking them anywhere."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterator, Mapping

import pytest

from buildbox.capsule.members import plain_header
from buildbox.capsule.unpacked import unpacked_size
from buildbox.trees.tar import END, padding
from tests.support.images import zstd_stored

LIMIT = 1 << 40


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def bomb(size: int) -> bytes:
    """A zstd frame of `size` MiB of zeros, in blocks that are one byte each (RFC 8878, 3.1.1.2.2, RLE)."""
    block = (128 << 10) << 3 | 1 << 1
    blocks = block.to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + blocks * (size * 8 - 1) + (block | 1).to_bytes(3, "little") + b"\0"


def tar(data: bytes) -> bytes:
    return plain_header("file", len(data)) + data + padding(len(data)) + END


def header(kind: bytes = tarfile.REGTYPE, length: int = 0, said: Mapping[str, str] | None = None) -> bytes:
    info = tarfile.TarInfo("file")
    info.type, info.size, info.pax_headers = kind, length, dict(said or {})
    return info.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize("size", [0, 1, 3, 131072, 5_000_000])
def test_sizes_are_those_of_what_is_packed(size: int) -> None:
    data = tar(os.urandom(size // 2) + bytes(size - size // 2)) if size else b""
    size = len(data)
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
        gzip.compress(tar(b"x" * 1000))[:-5],
        gzip.compress(tar(b"x" * 1000)) + b"more",
        gzip.compress(tar(os.urandom(5000)))[:4000] + b"x" * 600,
        zstd_stored(b"x" * 1000)[:-5],
        zstd_stored(b"x" * 1000) + b"more",
        zstd_stored(b"x")[:9] + b"\x0f\0\0x",  # a block of the reserved kind
    ],
)
def test_damaged_compression_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="compression is"):
        unpacked_size(pieces(data), LIMIT)


@pytest.mark.parametrize(
    "said",
    [
        {"GNU.sparse.map": "500000000,0", "GNU.sparse.size": "500000000"},
        {"GNU.sparse.numblocks": "1", "GNU.sparse.size": "500000000"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "500000000"},
        {"comment": "x\n20 size=100000000000\n", "GNU.sparse.realsize": "5"},
    ],
)
def test_holes_that_an_engine_would_fill_are_refused(said: Mapping[str, str]) -> None:
    for before in (
        b"",
        tar(b"1" * 700)[:-1024],
        header(tarfile.DIRTYPE),
        header(length=3, said={"comment": "9"}) + b"x" * 512,
    ):
        data = before + header(said=said) + END
        for layer in (data, gzip.compress(data), gzip.compress(data[:700]) + gzip.compress(data[700:])):
            with pytest.raises(ValueError, match="a sparse file"):
                unpacked_size(pieces(layer, 100), LIMIT)
    with pytest.raises(ValueError, match="a sparse file"):
        unpacked_size([header(tarfile.GNUTYPE_SPARSE) + END], LIMIT)


def test_nothing_hides_behind_a_size_that_is_said_elsewhere() -> None:
    """As engines read it: a pax header's size counts, but in a comment; folders and links have no content."""
    sparse = header(said={"GNU.sparse.realsize": "5"}) + END
    hidden = sparse + bytes(-len(sparse) % 512)
    large = header(said={"comment": f"\n16 size={len(hidden):06}\n"})
    for start in (
        large,
        header(tarfile.DIRTYPE, length=len(hidden)),
        header(tarfile.SYMTYPE, length=len(hidden)),
    ):
        with pytest.raises(ValueError, match="a sparse file"):
            unpacked_size([start + hidden + END], LIMIT)
    told = header(said={"size": str(len(hidden))})
    assert unpacked_size([told + hidden + END], LIMIT) == len(told + hidden + END)


@pytest.mark.parametrize(
    "data",
    [
        os.urandom(1024),
        header(tarfile.XHDTYPE, length=2 << 20) + bytes(2 << 20) + END,
        header(tarfile.XHDTYPE, length=9) + b"9999 a=b\n".ljust(512, b"\0") + END,
        header(said={"size": "-512"}) + END,
        header(length=5) + END[:400],
    ],
)
def test_what_is_no_tar_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a layer"):
        unpacked_size([data], LIMIT)
