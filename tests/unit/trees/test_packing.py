from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from buildbox.digest import CHUNK
from buildbox.trees.entry import FILE, Entry
from buildbox.trees.faults import Changed, OutputRefused, TreeError
from buildbox.trees.packing import pack, unpack
from tests.support.trees import file, folder, link, program, seen, write

EPOCH = 315532800
LONG = "/".join(["a folder with a long name"] * 12)
FILES = {
    "a": "1",
    "b/c*": "#!",
    "b/l@": "../a",
    "d/e/": "",
    "empty": "",
    "large": "x" * (CHUNK + 1),
    "é/ü": "2",
    f"{LONG}/é": "3",
    f"{LONG}/l@": f"../{'x' * 120}",
}


def packed(top: Path, entries: list[Entry] | None = None) -> bytes:
    return b"".join(pack(top, entries, epoch=EPOCH, owner=(1000, 100)))


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def make_tar(members: Iterable[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def member(name: str, kind: bytes, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def problems(tar: bytes, to: Path) -> list[str]:
    with pytest.raises(OutputRefused) as raised:
        unpack([tar], to)
    return list(raised.value.problems)


@pytest.mark.parametrize("size", [1 << 20, 512, 777])
def test_a_tree_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    top = write(tmp_path / "top", FILES)
    entries = unpack(in_pieces(packed(top), size), tmp_path / "to")
    assert seen(tmp_path / "to") == FILES
    assert list(entries) == sorted(
        [
            file("a", "1"),
            program("b/c", "#!"),
            link("b/l", "../a"),
            folder("d/e"),
            file("empty"),
            file("large", FILES["large"]),
            file("é/ü", "2"),
            file(f"{LONG}/é", "3"),
            link(f"{LONG}/l", f"../{'x' * 120}"),
        ],
        key=lambda entry: os.fsencode(entry.path),
    )
    assert packed(top, list(entries)) == packed(top)


def test_the_same_tree_is_the_same_tar_whatever_its_times_modes_and_order(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", FILES), write(tmp_path / "two", dict(reversed(FILES.items())))
    (two / "a").chmod(0o600)
    os.utime(two / "a", (1, 1))
    assert packed(one) == packed(two)


def test_other_programs_read_the_tar(tmp_path: Path) -> None:
    top = write(tmp_path / "top", FILES)
    data = packed(top)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {info.name: info for info in tar}
    assert {(info.uid, info.gid, info.mtime, info.uname) for info in members.values()} == {
        (1000, 100, EPOCH, "")
    }
    assert (members["b"].mode, members["b/c"].mode, members["a"].mode) == (0o755, 0o755, 0o644)
    assert members[f"{LONG}/l"].linkname == f"../{'x' * 120}"
    (tmp_path / "to").mkdir()
    subprocess.run(["tar", "-xf", "-", "--no-same-owner"], cwd=tmp_path / "to", input=data, check=True)
    assert seen(tmp_path / "to") == FILES
    assert (tmp_path / "to/d").stat().st_mtime == EPOCH


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    names = {"\udcff": "1", f"{LONG}/\udcff": "2"}
    data = packed(write(tmp_path / "top", names))
    (tmp_path / "to").mkdir()
    subprocess.run(["tar", "-xf", "-"], cwd=tmp_path / "to", input=data, check=True)
    assert sorted(seen(tmp_path / "to")) == sorted(names)


def test_what_changed_is_not_packed(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {"a": "1", "l@": "a"})
    for entry in (file("a", "2"), file("a", "12"), file("a", ""), link("l", "b")):
        with pytest.raises(Changed, match=f"^{entry.path} changed"):
            packed(top, [entry])
    with pytest.raises(TreeError, match="gone can't be read"):
        packed(top, [file("gone")])


def test_an_owner_and_a_time_beyond_the_plain_format(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {"a": "1"})
    data = b"".join(pack(top, None, epoch=-5, owner=(4_000_000_000, 2_097_152)))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        info = tar.getmember("a")
    assert (info.uid, info.gid, info.mtime) == (4_000_000_000, 2_097_152, -5)


def test_only_what_is_wanted_of_one_folder_is_unpacked(tmp_path: Path) -> None:
    tar = make_tar(
        [
            member("src/", tarfile.DIRTYPE),
            ("src/a", b"1"),
            ("src/dist/b", b"2"),
            ("srcs/dist/c", b"3"),
            ("etc/src/dist/d", b"4"),
            member("src/other", tarfile.FIFOTYPE),
        ]
    )
    entries = unpack([tar], tmp_path / "to", below="src", wanted=lambda path: path.startswith("dist/"))
    assert entries == (file("dist/b", "2"),)
    assert seen(tmp_path / "to") == {"dist/b": "2"}


def test_odd_modes_and_hard_links(tmp_path: Path) -> None:
    suid = tarfile.TarInfo("suid")
    suid.mode = 0o6777
    tar = make_tar([suid, ("a", b"1"), member("dir/b", tarfile.LNKTYPE, "a")])
    assert unpack([tar], tmp_path / "to") == (file("a", "1"), file("dir/b", "1"), program("suid"))
    assert (tmp_path / "to/suid").stat().st_mode == 0o100755
    assert (tmp_path / "to/a").stat().st_nlink == 1


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([("/etc/x", b"1")], "/etc/x has an absolute name"),
        ([("../x", b"1")], '../x has ".." in its name'),
        ([("a/../../x", b"1")], 'a/../../x has ".." in its name'),
        ([member("x", tarfile.FIFOTYPE)], "x is a device or a fifo"),
        ([member("x", tarfile.CHRTYPE)], "x is a device or a fifo"),
        ([member("x", tarfile.BLKTYPE)], "x is a device or a fifo"),
        ([member("x", tarfile.SYMTYPE, "/etc")], "x is a link to an absolute path, /etc"),
        ([member("a/x", tarfile.SYMTYPE, "../..")], "a/x is a link that leads out of the project, to ../.."),
        ([member("x", tarfile.LNKTYPE, "../y")], 'x has ".." in its name'),
        ([member("x", tarfile.LNKTYPE, "y")], "x is a hard link to y, which isn't taken"),
        (
            [member("l", tarfile.SYMTYPE, "d"), member("x", tarfile.LNKTYPE, "l")],
            "x is a hard link to l, which isn't taken",
        ),
        ([member("l", tarfile.SYMTYPE, "d"), ("l/x", b"1")], "l/x lies below l, which is a link"),
        ([("f", b""), ("f/x", b"1")], "f/x lies below f, which is a file"),
        ([("x", b"1"), ("x", b"2")], "x is there twice"),
        ([("x", b"1"), member("x", tarfile.SYMTYPE, "y")], "x is there twice"),
        ([member("l", tarfile.SYMTYPE, "d"), member("l", tarfile.DIRTYPE)], "l is there twice"),
        ([member("d", tarfile.DIRTYPE), ("d", b"1")], "d is there twice"),
        ([("d/x", b"1"), ("d", b"1")], "d is there twice"),
        ([("a\nb", b"1")], r"'a\nb' has a name with control characters in it"),
        ([("a/" * 300 + "b", b"1")], "lies in more than 100 folders"),
        ([("x" * 3000, b"1")], "has a path of 3000 bytes"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]], problem: str
) -> None:
    (tmp_path / "y").write_text("outside")
    (found,) = problems(make_tar([("fine", b"1"), *members]), tmp_path / "to")
    assert problem in found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["to", "y"]


def test_all_that_is_refused_is_reported_together(tmp_path: Path) -> None:
    tar = make_tar([("/x", b"1"), ("a", b"1"), member("b", tarfile.FIFOTYPE), ("../c", b"1")])
    assert len(problems(tar, tmp_path / "to")) == 3


@pytest.mark.parametrize("cut", [100, 700, 1100])
def test_a_damaged_tar_is_not_a_tree(tmp_path: Path, cut: int) -> None:
    tar = make_tar([("a", b"1" * 600), ("b", b"2")])
    with pytest.raises(TreeError, match="damaged"):
        unpack([tar[:cut]], tmp_path / "to")
    with pytest.raises(TreeError, match="damaged"):
        unpack([b"x" * 2048], tmp_path / "to2")


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    data = packed(write(tmp_path / "top", {"a": "1"}))
    assert unpack([data, bytes(10240)], tmp_path / "to") == (Entry("a", FILE, file("a", "1").digest, 1),)


def sparse(name: str, size: int) -> bytes:
    """A sparse file as GNU tar has it since 1.15.90 (PAX format 0.1): nothing but a claim."""
    info = member(name, tarfile.REGTYPE)
    claims = {"GNU.sparse.map": f"{size},0", "GNU.sparse.size": str(size), "GNU.sparse.name": name}
    info.pax_headers = claims
    return make_tar([info])


def old_sparse(name: str, size: int) -> bytes:
    """The same as GNU tar's own format has it."""
    block = bytearray(member(name, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


@pytest.mark.parametrize("make", [sparse, old_sparse])
def test_what_a_sparse_file_claims_is_not_written(make: Callable[[str, int], bytes], tmp_path: Path) -> None:
    with pytest.raises((OutputRefused, TreeError), match="sparse"):
        unpack([make("a", 1 << 33)], tmp_path / "to")


def test_a_header_is_not_read_into_memory_whatever_its_size(tmp_path: Path) -> None:
    info = member("a", tarfile.XHDTYPE)
    info.size = 1 << 30
    with pytest.raises(TreeError, match="a header of 1073741824 bytes"):
        unpack([info.tobuf(tarfile.USTAR_FORMAT), bytes(1024)], tmp_path / "to")


def test_a_tar_of_our_own_has_no_hard_links(tmp_path: Path) -> None:
    tar = make_tar([("a", b"1"), member("b", tarfile.LNKTYPE, "a")])
    assert len(unpack([tar], tmp_path / "one")) == 2
    with pytest.raises(OutputRefused, match="b is a hard link"):
        unpack([tar], tmp_path / "two", packed=True)


def test_inputs_have_the_names_and_links_that_a_project_has(tmp_path: Path) -> None:
    top = write(tmp_path / "top", {"a\nb": "1", "out@": "../../etc", "away@": "/etc/hosts"})
    (top / os.fsdecode(b"\xff")).write_bytes(b"2")
    tar = packed(top)
    assert len(problems(tar, tmp_path / "one")) == 4
    entries = unpack([tar], tmp_path / "two", as_is=True)
    assert seen(tmp_path / "two") == seen(top)
    assert packed(tmp_path / "two", list(entries)) == tar
    behind = make_tar([member("x", tarfile.SYMTYPE, str(tmp_path)), ("x/y", b"3")])
    with pytest.raises(OutputRefused, match="lies below x, which is a link"):
        unpack([behind], tmp_path / "three", as_is=True)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_of_headers_are_counted(tmp_path: Path, kind: bytes) -> None:
    info = member("a", kind)
    info.size = 10
    many = (info.tobuf(tarfile.GNU_FORMAT) + b"10 uid=12\n".ljust(512, b"\0")) * 2000
    with pytest.raises(TreeError, match="more than 8 headers"):
        unpack([many, bytes(1024)], tmp_path / "to")


def test_inputs_lie_no_deeper_than_folders_can_be_held_open(tmp_path: Path) -> None:
    """Else a header of a few bytes takes gigabytes of memory, or all of a disk's inodes."""
    for path in ("a/" * 100 + "a", "a/" * 40_000 + "a", "/".join(["b" * 200] * 30)):
        with pytest.raises(OutputRefused, match="more than 100 folders"):
            unpack([make_tar([(path, b"")])], tmp_path / "to", as_is=True)
    assert not list((tmp_path / "to").iterdir())
    assert unpack([make_tar([("a/" * 99 + "a", b"")])], tmp_path / "to", as_is=True)
