"""A capsule's tar: what isn't a plain file with a name and a size is no member of it."""

from __future__ import annotations

import io
import tarfile

import pytest

from buildbox.capsule.members import Malformed, plain_header, read_members
from buildbox.trees.tar import END, header, padding


def tar(*members: tuple[str, bytes], end: bytes = END) -> bytes:
    return b"".join(plain_header(name, len(data)) + data + padding(len(data)) for name, data in members) + end


def read(data: bytes) -> dict[str, bytes]:
    return {member.name: b"".join(member.chunks) for member in read_members(io.BytesIO(data))}


def with_header(**changes: object) -> bytes:
    """A tar of one file whose header has other values, written by tarfile."""
    info = tarfile.TarInfo("a")
    info.size = 1
    for name, value in changes.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT) + b"x" + padding(1) + END


def test_files_come_as_they_are() -> None:
    files = (("README.md", b"hello"), ("blobs/sha256/0", b""), ("b", b"x" * 512))
    assert read(tar(*files)) == dict(files)
    assert read(END) == {}
    with tarfile.open(fileobj=io.BytesIO(tar(*files))) as known:
        assert [(each.name, each.size) for each in known] == [(name, len(data)) for name, data in files]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../a", "no capsule has"),
        ("a/../../b", "no capsule has"),
        ("/etc/passwd", "no capsule has"),
        ("a//b", "no capsule has"),
        ("./a", "no capsule has"),
        ("a\nb", "no capsule has"),
        ("é", "no capsule has"),
        ("", "no capsule has"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read(header(name, tarfile.REGTYPE, 0o644, 0, 0, (0, 0)) + END)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a hard link"),
        (tarfile.DIRTYPE, "is a folder"),
        (tarfile.GNUTYPE_SPARSE, "is a sparse file"),
        (tarfile.CHRTYPE, "isn't one that a capsule has"),
        (tarfile.XGLTYPE, "isn't one that a capsule has"),
        (tarfile.GNUTYPE_LONGNAME, "isn't one that a capsule has"),
    ],
)
def test_only_plain_files_are_taken(kind: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read(header("a", kind, 0o644, 0, 0, (0, 0)) + END)


@pytest.mark.parametrize("changes", [{"mode": 0o755}, {"mtime": 1}, {"uid": 1}, {"uname": "root"}, {}])
def test_a_header_says_nothing_but_name_and_size(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="header of a isn't"):
        read(with_header(**changes))  # the last one: tarfile's own way to write it


def test_a_size_beyond_8_gib_is_read() -> None:
    start = plain_header("a", 9 << 30)
    with pytest.raises(Malformed, match="cut short, in the middle of a"):
        read(start + b"x")
    sparse = start.replace(b" size=9663676416", b" sizf=9663676416")
    assert sparse != start
    with pytest.raises(Malformed, match="header of a isn't"):
        read(sparse + b"x")


def test_a_tar_that_is_cut_anywhere_is_refused() -> None:
    whole = tar(("a", b"x" * 700), ("b", b""))
    for end in range(0, len(whole), 100):
        with pytest.raises(Malformed, match="cut short"):
            read(whole[:end])


def test_nothing_is_hidden_behind_files_or_the_end() -> None:
    whole = bytearray(tar(("a", b"x")))
    whole[600] = 1
    with pytest.raises(Malformed, match="behind a that belongs to no file"):
        read(bytes(whole))
    with pytest.raises(Malformed, match="behind its end"):
        read(tar(("a", b"x")) + b"\0")
    with pytest.raises(Malformed, match="doesn't end as a tar does"):
        read(tar(("a", b"x"), end=bytes(512) + b"x" * 512))
