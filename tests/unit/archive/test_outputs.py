"""Tars of outputs that somebody else made: what isn't what its list says never comes out as if it were."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.outputs import entries_of
from buildbox.archive.result_form import Result, check_entries, outputs_layer
from buildbox.archive.results import ResultDamaged, extract
from buildbox.trees.entry import FILE, FOLDER, LINK, Entry, tree_digest
from buildbox.trees.packing import pack
from tests.support.results import keep, write_outputs

A = "a" * 64


def pieces(data: bytes, size: int = 700) -> Iterator[bytes]:
    return iter([data[at : at + size] for at in range(0, len(data), size)])


def packed(folder: Path) -> tuple[tuple[Entry, ...], bytes]:
    folder.mkdir(exist_ok=True)
    entries = tuple(sorted(write_outputs(folder), key=lambda entry: entry.path.encode()))
    return entries, b"".join(pack(folder, entries, epoch=0, owner=(0, 0)))


def test_what_was_packed_is_seen(tmp_path: Path) -> None:
    entries, data = packed(tmp_path / "made")
    assert entries_of(pieces(data)) == entries
    assert entries_of(pieces(bytes(1024))) == ()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, target, len(data)
        tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()[: 512 + (len(data) + 511) // 512 * 512]


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 2000,
        b"",
        member("a", data=b"x") + member("a", data=b"y") + bytes(1024),
        member("a", data=b"x") + member("b", tarfile.LNKTYPE, "a") + bytes(1024),
        member("a", tarfile.CHRTYPE) + bytes(1024),
        member("a", tarfile.FIFOTYPE) + bytes(1024),
        member("a", data=b"x" * 5000)[:3000],
    ],
    ids=["garbage", "nothing", "twice", "hard link", "device", "fifo", "cut"],
)
def test_what_nobody_packed_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        entries_of(pieces(data))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    (tmp_path / "scratch").mkdir()
    return Archive.open(tmp_path / "archive")


def with_tar(archive: Archive, result: Result, data: bytes) -> Result:
    return replace(result, outputs=outputs_layer(archive.add_bytes(data), len(data)))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: member("../escaped", data=b"x") + data,
        lambda data: member("/tmp/escaped", data=b"x") + data,
        lambda data: member("dist/more", data=b"x") + data,
        lambda data: member("zz", tarfile.SYMTYPE, "../../escaped") + data,
        lambda data: member("dist", tarfile.SYMTYPE, "..") + data,
        lambda data: data[:-1024] + member("zz", data=b"x") + bytes(1024),
        lambda data: data[: len(data) // 1024 * 512] + bytes(1024),
        lambda data: data.replace(b"a wheela wheel", b"a wheelA wheel", 1),
        lambda data: data.replace(b"#!/bin/sh\n", b"#!/bin/ed\n"),
        lambda data: b"no tar" * 1000,
    ],
)
def test_only_what_the_list_says_comes_out(
    archive: Archive, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    result = keep(archive, tmp_path / "scratch")
    data = archive.blob_path(result.outputs.digest).read_bytes()
    assert change(data) != data
    (tmp_path / "deep/to").mkdir(parents=True)
    with pytest.raises(ResultDamaged):
        extract(archive, with_tar(archive, result, change(data)), tmp_path / "deep/to")
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"to"}
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("../a", FILE, A, 1)],
        [Entry("/a", FILE, A, 1)],
        [Entry("a//b", FILE, A, 1)],
        [Entry("a/./b", FILE, A, 1)],
        [Entry("", FILE, A, 1)],
        [Entry("a\0b", FILE, A, 1)],
        [Entry(".git/hooks/post-checkout", FILE, A, 1)],
        [Entry(".buildbox/outputs/x", FILE, A, 1)],
        [Entry("a", LINK, A, 4), Entry("a/b", FILE, A, 1)],
        [Entry("a", LINK, A, 5000)],
        [Entry("a", FILE, A, 1), Entry("a/b/c", FILE, A, 1)],
        [Entry("a", FOLDER, "", 0), Entry("a/b", FILE, A, 1)],
        [Entry("a", FOLDER, A, 0)],
        [Entry("a", 0o104755, A, 1)],
        [Entry("a", FILE, "x", 1)],
        [Entry("a", FILE, A, -1)],
        [Entry("a", FILE, A, 1), Entry("a", FILE, A, 1)],
        [Entry(5, FILE, A, 1)],  # type: ignore[arg-type]
    ],
)
def test_lists_that_are_of_no_tree_are_refused(
    archive: Archive, tmp_path: Path, entries: list[Entry]
) -> None:
    result = keep(archive, tmp_path / "scratch", outputs={})
    check_entries(result)
    tree = result.tree
    if all(isinstance(entry.path, str) for entry in entries) and len(set(entries)) == len(entries):
        tree = tree_digest(entries)
    with pytest.raises(ValueError):
        check_entries(replace(result, entries=tuple(entries), tree=tree))


def test_outputs_that_are_much_larger_than_their_list_are_not_read(archive: Archive, tmp_path: Path) -> None:
    result = keep(archive, tmp_path / "scratch")
    with pytest.raises(ValueError, match="larger"):
        check_entries(replace(result, outputs=outputs_layer(result.outputs.digest, 10_000_000)))


def test_another_ones_tree_is_not_this_ones(archive: Archive, tmp_path: Path) -> None:
    result = keep(archive, tmp_path / "scratch")
    with pytest.raises(ValueError, match="digest"):
        check_entries(replace(result, entries=result.entries[1:]))


def test_several_results_come_into_one_folder(archive: Archive, tmp_path: Path) -> None:
    one = keep(archive, tmp_path / "scratch", 1, {"dist/a": b"a"})
    two = keep(archive, tmp_path / "scratch", 2, {"dist/b": b"b"})
    for result in (one, two):
        extract(archive, result, tmp_path / "to")
    assert {path.name for path in (tmp_path / "to/dist").iterdir()} == {"a", "b"}
