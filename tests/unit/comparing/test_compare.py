"""What is found between two files: in which member, what kind, and where."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from buildbox.comparing.compare import compare_files
from buildbox.comparing.finding import Finding
from buildbox.comparing.limits import Budget
from buildbox.errors import UsageError
from tests.support.packed import Files, ar, tarred, zipped

FILES: Files = {"a.txt": "one\n", "b/c.txt": "two\nthree\n", "d": b"\0\1\2\3"}
OTHER: Files = {**FILES, "b/c.txt": "two\nthree!\n"}
REST = "(and 2 more members)"
LATER = (2026, 11, 23, 14, 0, 0)


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    return Compare(tmp_path)


class Compare:
    """Compares two contents as files of the name `x`."""

    def __init__(self, folder: Path) -> None:
        self._left, self._right = folder / "left", folder / "right"

    def __call__(self, left: bytes, right: bytes, budget: Budget | None = None) -> list[Finding]:
        self._left.write_bytes(left)
        self._right.write_bytes(right)
        return compare_files(self._left, self._right, "x", budget)

    def lines(self, left: bytes, right: bytes, budget: Budget | None = None) -> list[str]:
        return [finding.line for finding in self(left, right, budget)]


def gz(data: bytes, time: int = 0, level: int = 9, name: str = "") -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(name, "wb", level, buffer, time) as file:
        file.write(data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("left", "right", "line"),
    [
        (b"a\nb\nc\n", b"a\nB\nc\n", 'x: line 2: "B" instead of "b"'),
        (b"a\nb\n", b"a\nb\nc\n", "x: goes on at byte 4: 6 bytes instead of 4"),
        (b"a\nb\n", b"", "x: ends at byte 0: 0 bytes instead of 4"),
        (b"\0" * 70000 + b"\1", b"\0" * 70000 + b"\2", "x: byte 70000 (0x11170): 02 instead of 01"),
        ("é\nüa\n".encode(), "é\nüb\n".encode(), 'x: line 2: "üb" instead of "üa"'),
        (b"a\x1b[31m\nb", b"b\x1b[31m\nb", 'x: line 1: "b\\x1b[31m" instead of "a\\x1b[31m"'),
        (b"x" * 9999 + b"ab", b"x" * 9999 + b"cb", f'x: line 1: "{"x" * 50}cb" instead of "{"x" * 50}ab"'),
    ],
)
def test_plain_files_say_where(compare: Compare, left: bytes, right: bytes, line: str) -> None:
    assert compare.lines(left, right) == [line]


def test_a_large_file_says_the_right_byte_and_line(compare: Compare) -> None:
    data = b"".join(b"%07d\n" % number for number in range(200_000))
    other = bytearray(data)
    other[1_234_560] = ord("x")
    assert compare.lines(data, bytes(other)) == ['x: line 154321: "x154320" instead of "0154320"']


@pytest.mark.parametrize("pack", [zipped, tarred, ar])
def test_an_archive_names_the_member(compare: Compare, pack: type) -> None:
    assert compare(pack(FILES), pack(FILES)) == []
    found = compare(pack(FILES), pack(OTHER))
    assert found[0] == Finding(("x", "b/c.txt"), "content", 'line 2: "three!" instead of "three"')
    assert [finding.kind for finding in found] == ["content"]


@pytest.mark.parametrize("pack", [zipped, tarred, ar])
def test_members_that_are_missing_added_or_in_another_order(compare: Compare, pack: type) -> None:
    fewer = {"d": FILES["d"], "e": "", "f": "", "a.txt": "one\n"}
    assert compare.lines(pack(FILES), pack(fewer)) == [
        "x: b/c.txt: is missing",
        "x: e: is there, too (and 1 more member)",
        "x: other order of members, from d on",
    ]


def test_what_a_zips_headers_say(compare: Compare) -> None:
    plain = zipped(FILES)
    assert compare.lines(plain, zipped(FILES, LATER)) == [
        f"x: a.txt: time 2026-11-23 14:00:00 instead of 1980-01-01 00:00:00 {REST}"
    ]
    assert compare.lines(plain, zipped(FILES, external_attr=0o100644 << 16)) == [
        f"x: a.txt: mode 0644 instead of 0600 {REST}"
    ]
    deflated = zipped(FILES, compress_type=zipfile.ZIP_DEFLATED)
    assert compare.lines(plain, deflated) == [
        f"x: a.txt: compressed by deflate instead of stored, compressed size 6 instead of 4 {REST}"
    ]
    extra = struct.pack("<HHBi", 0x5455, 5, 1, 1), struct.pack("<HHBi", 0x5455, 5, 1, 86401)
    assert compare.lines(zipped(FILES, extra=extra[0]), zipped(FILES, extra=extra[1])) == [
        f"x: a.txt: time in UTC 1970-01-02 00:00:01 instead of 1970-01-01 00:00:01 {REST}"
    ]
    used = [struct.pack("<HHBiii", 0x5455, 13, 7, 1, time, 1) for time in (1, 86401)]
    packed = zipped(FILES, extra=used[0])
    found = compare(packed, packed.replace(used[0], used[1], 1))  # in front of the content alone: zip -r
    assert [(each.kind, each.line) for each in found] == [
        ("mtime", "x: a.txt: time of access 1970-01-02 00:00:01 instead of 1970-01-01 00:00:01")
    ]
    assert [f.kind for f in compare(plain, zipped(FILES, create_system=0))] == ["form"]
    assert compare.lines(plain, plain[:-2] + b"\1\0c") == [
        "x: the same members; only how the archive is written differs"
    ]


def test_what_a_tars_headers_say(compare: Compare) -> None:
    plain = tarred(FILES)
    assert compare.lines(plain, tarred(FILES, mtime=1)) == [
        f"x: a.txt: time 1970-01-01 00:00:01 instead of 1970-01-01 00:00:00 {REST}"
    ]
    assert compare.lines(plain, tarred(FILES, mode=0o755, uid=1000, uname="me")) == [
        f"x: a.txt: mode 0755 instead of 0644 {REST}",
        f"x: a.txt: owner 1000:0 (me:) instead of 0:0 (:) {REST}",
    ]
    pax = tarfile.PAX_FORMAT
    old, new = (tarred(FILES, pax, pax_headers={"atime": time}) for time in ("1.5", "2.5"))
    assert compare.lines(old, new) == [f"x: a.txt: atime 2.5 instead of 1.5 {REST}"]
    assert [f.kind for f in compare(plain, tarred(FILES, tarfile.GNU_FORMAT))] == ["form"]
    one, two = (tarred({"l": ""}, type=tarfile.SYMTYPE, linkname=to) for to in ("a", "b"))
    assert compare.lines(one, two) == ["x: l: it leads to b instead of a"]
    assert compare.lines(tarred({"l": ""}), one) == [
        "x: l: it is a link instead of a file, it leads to a instead of none"
    ]


def test_what_an_ars_headers_say(compare: Compare) -> None:
    long = {"a-name-that-is-too-long-for-ar": "1", "and-another-one-of-these": "2"}
    name, rest = "x: a-name-that-is-too-long-for-ar", "(and 1 more member)"
    assert compare.lines(ar(long), ar(long, time=1, owner="7", mode="100600")) == [
        f"{name}: time 1970-01-01 00:00:01 instead of 1970-01-01 00:00:00 {rest}",
        f"{name}: owner 7:7 instead of 0:0 {rest}",
        f"{name}: mode 100600 instead of 100644 {rest}",
    ]
    other = {**long, "and-another-one-of-these": "3"}
    assert compare.lines(ar(long), ar(other)) == ['x: and-another-one-of-these: line 1: "3" instead of "2"']


def test_what_is_compressed_is_looked_into(compare: Compare) -> None:
    data, other = tarred(FILES), tarred(OTHER)
    line = 'x: b/c.txt: line 2: "three!" instead of "three"'
    for pack in (gz, bz2.compress, lzma.compress):
        assert compare.lines(pack(data), pack(other)) == [line]
    assert compare.lines(gz(data), gz(data, 86400)) == [
        "x: gzip's time 1970-01-02 00:00:00 instead of 1970-01-01 00:00:00"
    ]
    assert [f.kind for f in compare(gz(data, name="a"), gz(data, name="b"))] == ["form"]
    assert compare.lines(lzma.compress(data), lzma.compress(data, preset=1)) == [
        "x: the same content, compressed otherwise by xz"
    ]
    two = compare.lines(gz(b"a\n") + gz(b"more\n"), gz(b"a\n") + gz(b"less\n"))
    assert two == ['x: line 2: "less" instead of "more"']


def test_archives_in_archives(compare: Compare) -> None:
    def deb(jar: bytes) -> bytes:
        return ar({"debian-binary": "2.0\n", "data.tar.xz": lzma.compress(tarred({"./usr/x.jar": jar}))})

    found = compare(deb(zipped(FILES)), deb(zipped(FILES, LATER)))
    assert found == [
        Finding(
            ("x", "data.tar.xz", "./usr/x.jar", "a.txt"),
            "mtime",
            "time 2026-11-23 14:00:00 instead of 1980-01-01 00:00:00",
            more=2,
        )
    ]


def test_what_isnt_a_good_archive_is_compared_as_bytes(compare: Compare) -> None:
    data = zipped(FILES)
    found = compare(data, data[:-30])
    assert [(f.kind, f.text.split(":")[0]) for f in found] == [
        ("content", f"ends at byte {len(data) - 30}"),
        ("unread", "not looked into"),
    ]
    for broken in (
        gz(tarred(FILES))[:-9],
        ar(FILES)[:-1],
        tarred(FILES)[:700],
        ar({"a": ""})[:-4] + b"-1`\n",
    ):
        assert compare(broken, broken[:-1] + b"x")[0].kind == "content"


def test_files_of_two_kinds_are_plain_ones(compare: Compare) -> None:
    assert [f.kind for f in compare(zipped(FILES), tarred(FILES))] == ["content"]


def test_links_and_kinds_and_programs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    (tmp_path / "program").write_text("a")
    (tmp_path / "program").chmod(0o755)
    for name, target in (("one", "file"), ("two", "program")):
        (tmp_path / name).symlink_to(target)

    def lines(left: str, right: str) -> list[str]:
        return [finding.line for finding in compare_files(tmp_path / left, tmp_path / right, "x")]

    assert lines("file", "program") == ["x: it is a program instead of no program"]
    assert lines("one", "two") == ["x: it leads to program instead of file"]
    assert lines("one", "one") == []
    assert lines("file", "one") == ["x: it is a link instead of a file"]
    assert lines(".", "file") == ["x: it is a file instead of a folder"]
    os.mkfifo(tmp_path / "pipe")
    assert lines("file", "pipe") == ["x: it is neither file nor folder instead of a file"]
    with pytest.raises(UsageError, match="can't be read"):
        lines("file", "nowhere")
