"""Files that were made to take all memory, disk or time."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.comparing.compare import compare_files
from buildbox.comparing.finding import Finding
from buildbox.comparing.limits import Budget
from tests.support.packed import Files, ar, tarred, zipped


def compare(folder: Path, left: bytes, right: bytes, **budget: int) -> list[Finding]:
    (folder / "left").write_bytes(left)
    (folder / "right").write_bytes(right)
    return compare_files(folder / "left", folder / "right", "x", Budget(**budget))


def bomb(last: bytes, size: int = 200 << 20) -> bytes:
    """`size` zeros and something else, compressed."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(last), packer.flush()])


def test_a_bomb_is_let_be(tmp_path: Path) -> None:
    one, other = bomb(b"1"), bomb(b"2")
    tracemalloc.start()
    try:
        found = compare(tmp_path, one, other, spooled=20 << 20)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [finding.kind for finding in found] == ["content", "unread"]
    assert found[1].text == "not looked into: it unpacks to too much"
    assert most < 4 << 20


@pytest.mark.parametrize("pack", [zipped, tarred, ar])
def test_a_bomb_in_an_archive_is_let_be(tmp_path: Path, pack: type) -> None:
    found = compare(
        tmp_path, pack({"a": bomb(b"1", 30 << 20)}), pack({"a": bomb(b"2", 30 << 20)}), unpacked=20 << 20
    )
    assert found[-1].text == "not looked into: it unpacks to too much"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_members_would_be_unpacked_at_once_is_let_be(tmp_path: Path, method: int) -> None:
    one, other = (zipped({"a": text}, compress_type=method) for text in "12")
    assert [finding.kind for finding in compare(tmp_path, one, other)] == ["content", "unread"]


def test_a_sparse_file_in_a_tar_is_let_be(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (8 << 30, 1)
    header[483:495] = b"%011o\0" % (8 << 30 | 1 << 20)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + bytes(512) + bytes(1024)
    found = compare(tmp_path, data, data[:600] + b"x" + data[601:], unpacked=64 << 20)
    assert [finding.kind for finding in found] == ["content", "unread"]


def test_too_many_members_are_not_looked_at(tmp_path: Path) -> None:
    files = {f"{number}": "a" for number in range(100)}
    found = compare(tmp_path, zipped(files), zipped({**files, "99": "b"}), members=150)
    assert found[1].text == "not looked into: it has too many members"


def test_no_time_is_left(tmp_path: Path) -> None:
    found = compare(tmp_path, b"a", b"b", seconds=0)
    assert found == [Finding(("x",), "unread", "not compared: it takes too long")]


def test_long_headers_arent_read(tmp_path: Path) -> None:
    headers = {"comment": "c" * (2 << 20)}
    found = compare(
        tmp_path,
        tarred({"a": "1"}, tarfile.PAX_FORMAT, pax_headers=headers),
        tarred({"a": "2"}, tarfile.PAX_FORMAT, pax_headers=headers),
    )
    assert found[1].text == "not looked into: its headers are too long"


def test_a_chain_of_headers_ends(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.type = tarfile.XHDTYPE
    data = member.tobuf() * 5000
    found = compare(tmp_path, data, data + b"x")
    assert [finding.kind for finding in found] == ["content", "unread"]


def test_many_differences_are_counted_not_listed(tmp_path: Path) -> None:
    one, other = ({f"{number:03}": f"{text}" for number in range(100)} for text in "ab")
    found = compare(tmp_path, zipped(one), zipped(other), findings=3)
    assert [finding.line for finding in found] == [
        *(f'x: {number:03}: line 1: "b" instead of "a"' for number in range(3)),
        "x: 003: other contents; 97 members weren't looked at in detail",
    ]


def test_archives_in_archives_end_somewhere(tmp_path: Path) -> None:
    one, other = b"1", b"2"
    for _ in range(30):
        one, other = zipped({"a": one}), zipped({"a": other})
    (found,) = compare(tmp_path, one, other)
    assert found.path == ("x", *"a" * 8)


def test_xz_that_wants_all_memory_is_let_be(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    small = [{"id": lzma.FILTER_LZMA2, "preset": 0}]
    one = bytearray(lzma.compress(b"1" * 100, filters=small))
    other = bytearray(lzma.compress(b"2" * 100, filters=small))
    del filters
    for data in (one, other):
        # Stream header 12 bytes; block header: size, flags, filter id, size of properties, dictionary size.
        assert data[14:16] == b"\x21\x01"
        data[16] = 38  # 2 GiB (xz file format, section 5.3.1)
        data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    found = compare(tmp_path, bytes(one), bytes(other))
    assert found[1].text.startswith("not looked into: Memory usage limit")


def test_many_empty_streams_end(tmp_path: Path) -> None:
    empty = gzip.compress(b"", mtime=0) * 20_000
    found = compare(tmp_path, empty + gzip.compress(b"1", mtime=0), empty + gzip.compress(b"2", mtime=0))
    assert found[0].line == 'x: line 1: "2" instead of "1"'


def test_an_encrypted_zip_is_compared_as_bytes(tmp_path: Path) -> None:
    data = [bytearray(zipped({"a": text})) for text in "12"]
    for each in data:
        at = each.index(b"PK\1\2")
        each[6] |= 1
        each[at + 8] |= 1
    found = compare(tmp_path, bytes(data[0]), bytes(data[1]))
    assert "password" in found[1].text or "encrypted" in found[1].text


def test_a_name_cant_be_a_command_for_the_terminal(tmp_path: Path) -> None:
    buffers = []
    for text in "12":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a\x1b[2J\nb"), text)
        buffers.append(buffer.getvalue())
    (found,) = compare(tmp_path, *buffers)
    assert found.line == 'x: a\\x1b[2J\\nb: line 1: "2" instead of "1"'


FILES: Files = {"a.txt": "one\n", "b/c.txt": "two\n" * 50, "d": b"\0\1\2\3" * 100}
GOOD = (
    zipped(FILES, compress_type=zipfile.ZIP_DEFLATED),
    tarred(FILES, tarfile.PAX_FORMAT, pax_headers={"atime": "1.5"}),
    ar({"debian-binary": "2", "data.tar.xz": lzma.compress(tarred({"x.jar": zipped(FILES)}))}),
    gzip.compress(tarred(FILES), mtime=0),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4)), min_size=1, max_size=6),
    st.integers(0, 6),
)
def test_whatever_is_broken_is_compared(good: bytes, breaks: list[tuple[float, bytes]], both: int) -> None:
    left, right = bytearray(good), bytearray(good)
    for number, (where, what) in enumerate(breaks):
        at = int(where * len(good))
        for side in (left, right) if number < both else (right,):
            side[at : at + max(1, len(what))] = what
    with TemporaryDirectory() as folder:
        found = compare(Path(folder), bytes(left), bytes(right))
    assert bool(found) == (left != right)
    assert all(finding.line.isprintable() for finding in found)
