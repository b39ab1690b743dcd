from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from typing import IO, Any

import pytest

from buildbox.comparing.finding import printable
from buildbox.toolchains.difference import Difference, OpenTar, compare_tars

MEBIBYTE = 1 << 20


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o644, 1000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> OpenTar:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as made:
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    return opener(file.getvalue())


def opener(data: bytes) -> OpenTar:
    def open_tar() -> AbstractContextManager[IO[bytes]]:
        return closing(io.BytesIO(data))

    return open_tar


def found(difference: Difference) -> Mapping[str, tuple[str, ...]]:
    return {file.path: file.how for file in difference.files}


def of_one(before: tuple[tarfile.TarInfo, bytes], after: tuple[tarfile.TarInfo, bytes]) -> tuple[str, ...]:
    difference = compare_tars(tar(before), tar(after))
    assert difference.count == 1
    [file] = difference.files
    return file.how


@pytest.mark.parametrize(
    ("change", "how"),
    [
        ({"mode": 0o4755}, "mode 4755 instead of 0644"),
        ({"uid": 7}, "owner 7:0 (:) instead of 0:0 (:)"),
        ({"gname": "staff"}, "owner 0:0 (:staff) instead of 0:0 (:)"),
        ({"mtime": 1001}, "time 1970-01-01 00:16:41 instead of 1970-01-01 00:16:40"),
        ({"mtime": 1000.25}, "time 1970-01-01 00:16:40.25 instead of 1970-01-01 00:16:40"),
        (
            {"pax_headers": {"SCHILY.xattr.user.a": "b"}},
            "attributes user.a=b instead of none",
        ),
    ],
)
def test_what_is_said_of_a_file(change: dict[str, Any], how: str) -> None:
    assert of_one(member("a", b"x"), member("a", b"x", **change)) == (how,)


def test_a_link_and_a_device_with_another_target() -> None:
    link: dict[str, Any] = {"type": tarfile.SYMTYPE}
    assert of_one(member("a", linkname="x", **link), member("a", linkname="y", **link)) == (
        "link to y instead of x",
    )
    null: dict[str, Any] = {"type": tarfile.CHRTYPE, "devmajor": 1}
    assert of_one(member("n", devminor=3, **null), member("n", devminor=5, **null)) == (
        "device 1:5 instead of 1:3",
    )


def test_another_type() -> None:
    how = of_one(member("a", b"x"), member("a", type=tarfile.LNKTYPE, linkname="b"))
    assert how[0] == "type hard link instead of file"
    assert "link to b instead of nothing" in how


@pytest.mark.parametrize("at", [0, 65_535, 65_536, 200_000, MEBIBYTE - 1])
def test_the_first_other_byte_is_named(at: int) -> None:
    before = bytearray(MEBIBYTE)
    after = bytearray(MEBIBYTE)
    after[at] = 1
    after[-1] = 2  # and another one behind it
    assert of_one(member("a", bytes(before)), member("a", bytes(after))) == (f"contents from byte {at} on",)


@pytest.mark.parametrize("size", [0, 3, 65_536, 70_000])
def test_a_file_that_goes_on(size: int) -> None:
    how = of_one(member("a", b"x" * size), member("a", b"x" * (size + 1)))
    assert how == (f"size {size + 1} instead of {size}", f"contents from byte {size} on")
    how = of_one(member("a", b"x" * (size + 1)), member("a", b"x" * size))
    assert how[1] == f"contents from byte {size} on"


def test_the_first_paths_in_order_and_how_many_there_are() -> None:
    before = [member(name, b"1") for name in ("z", "a-b", "a/c", "a/b", "only", "same")]
    after = [member(name, b"2") for name in ("a/b", "a/c", "z", "a-b", "new")] + [member("same", b"1")]
    difference = compare_tars(tar(*before), tar(*after), shown=4)
    assert difference.count == 6
    changed = ("contents from byte 0 on",)
    assert found(difference) == {
        "/a/b": changed,
        "/a/c": changed,
        "/a-b": changed,
        "/new": ("only in the rebuilt image",),
    }
    assert found(compare_tars(tar(*before), tar(*after)))["/only"] == ("only in the pinned image",)


def test_names_are_the_same_however_a_tar_writes_them() -> None:
    folder = {"type": tarfile.DIRTYPE}
    one = tar(member("./", **folder), member("./usr/", **folder), member("./usr/x"))
    other = tar(member("/", **folder), member("usr", **folder), member("usr/x"))
    difference = compare_tars(one, other)
    assert (difference.count, difference.note) == (
        0,
        "the files are the same; only tar's own headers or padding differ",
    )


def test_another_order_and_another_form() -> None:
    a, b = member("a", b"1"), member("b", b"2")
    assert (
        compare_tars(tar(a, b), tar(b, a)).note == "the files are the same, but in another order from /b on"
    )
    note = "the files are the same; only tar's own headers or padding differ"
    assert compare_tars(tar(a, b), tar(a, b, form=tarfile.GNU_FORMAT)).note == note


def test_of_a_path_twice_the_last_counts() -> None:
    one, two = member("a", b"1"), member("a", b"2")
    assert compare_tars(tar(one, two), tar(member("a", b"3"), two)).count == 0
    assert found(compare_tars(tar(one, two), tar(two, one))) == {"/a": ("contents from byte 0 on",)}


def test_names_that_a_terminal_would_act_upon() -> None:
    assert printable("/\x1b[2J\n é \udcff") == "/\\x1b[2J\\n é \\udcff"
    assert found(compare_tars(tar(), tar(member("\x1b[2J")))) == {"/\\x1b[2J": ("only in the rebuilt image",)}


def test_a_stream_that_ends_early_is_no_tar() -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as made:
        made.addfile(*_with_file(member("a", b"x" * 100_000)))
    short = opener(whole.getvalue()[:50_000])
    with pytest.raises((tarfile.TarError, EOFError)):
        compare_tars(short, short)


def test_streams_are_read_to_their_end_where_their_checksums_stand() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(*_with_file(member("a", b"x")))
    packed = bytearray(gzip.compress(file.getvalue()))
    packed[-5] ^= 1  # of the CRC

    def open_tar() -> AbstractContextManager[IO[bytes]]:
        return io.BufferedReader(gzip.GzipFile(fileobj=io.BytesIO(bytes(packed))))

    with pytest.raises(gzip.BadGzipFile):
        compare_tars(open_tar, open_tar)


def test_memory_stays_small_for_large_files() -> None:
    big = bytes(32 * MEBIBYTE)
    one, other = tar(member("a", big)), tar(member("a", big + b"1"))
    tracemalloc.start()
    compare_tars(one, other)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MEBIBYTE


def _with_file(made: tuple[tarfile.TarInfo, bytes]) -> tuple[tarfile.TarInfo, IO[bytes]]:
    return made[0], io.BytesIO(made[1])
