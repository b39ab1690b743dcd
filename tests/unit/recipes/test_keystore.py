from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from pathlib import Path

import pytest

from buildbox.errors import ImageError
from buildbox.recipes.keystore import KEYSTORE, dated, settle_keystore

SECONDS = 1_783_764_997


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def entry(alias: str, milliseconds: int, certificate: bytes = b"bytes", kind: int = 2) -> bytes:
    head = struct.pack(">I", kind) + text(alias) + struct.pack(">q", milliseconds)
    return head + text("X.509") + struct.pack(">I", len(certificate)) + certificate


def keystore(*entries: bytes, magic: int = 0xFEEDFEED, more: bytes = b"", count: int | None = None) -> bytes:
    number = len(entries) if count is None else count
    body = struct.pack(">III", magic, 2, number) + b"".join(entries) + more
    return body + hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_when_it_was_made_does_not_show() -> None:
    made = [keystore(entry("debian:ä.pem", now), entry("b", now + 1, b"")) for now in (1, 1 << 40)]
    wanted = keystore(entry("debian:ä.pem", SECONDS * 1000), entry("b", SECONDS * 1000, b""))
    assert [dated(data, SECONDS) for data in made] == [wanted, wanted]


def test_all_else_shows() -> None:
    assert dated(keystore(entry("a", 1)), SECONDS) != dated(keystore(entry("b", 1)), SECONDS)
    assert dated(keystore(), SECONDS) == keystore()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no whole"),
        (keystore(entry("a", 1))[:-1], "no whole"),
        (keystore(entry("a", 1)) + b"\0", "no whole"),
        (keystore(magic=0xCAFEBABE), "version"),
        (keystore(entry("a", 1, kind=1)), "more than certificates"),
        (keystore(entry("a", 1), count=2), "in the middle"),
        (keystore(entry("a", 1)[:-1]), "behind its last"),
        (keystore(entry("a", 1), more=b"\0"), "behind its last"),
    ],
)
def test_what_is_no_keystore_of_certificates_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dated(data, SECONDS)


def root(path: Path, **files: bytes) -> Path:
    """A tar with `./etc/hosts`, and the keystore if `files` has one."""
    with tarfile.open(path, "w") as tar:
        for name, data in {"./etc/hosts": b"localhost\n", **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_in_a_tar_nothing_else_changes(tmp_path: Path) -> None:
    tar = root(tmp_path / "a.tar", **{KEYSTORE: keystore(entry("a", 1)), "./z": b"z"})
    settle_keystore(tar, SECONDS)
    wanted = root(tmp_path / "b.tar", **{KEYSTORE: keystore(entry("a", SECONDS * 1000)), "./z": b"z"})
    assert tar.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize(("files", "said"), [({}, "isn't there"), ({KEYSTORE: b"PKCS12"}, "no whole")])
def test_a_root_without_a_good_one(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(ImageError, match=f"/etc/ssl/certs/java/cacerts.*{said}"):
        settle_keystore(root(tmp_path / "a.tar", **files), SECONDS)
