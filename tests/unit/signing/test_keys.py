from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.errors import UsageError
from buildbox.signing.keys import Locked, generate, load_private, load_public, public_path


def test_a_pair_of_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "signing.key"
    made = generate(path, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_public(public_path(path)) == made
    assert load_private(path, None).public == made
    assert made.pem == (tmp_path / "new" / "folder" / "signing.key.pub").read_bytes()
    assert generate(tmp_path / "other", None).id != made.id


def test_openssl_reads_them(tmp_path: Path) -> None:
    made = generate(tmp_path / "key", b"a word")
    command = ["openssl", "pkey", "-in", str(tmp_path / "key"), "-passin", "pass:a word", "-pubout"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == made.pem


def test_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = generate(path, b"correct horse")
    assert load_private(path, b"correct horse").public == made
    with pytest.raises(Locked, match="is locked with a passphrase"):
        load_private(path, None)
    with pytest.raises(UsageError, match="that isn't the passphrase of this key"):
        load_private(path, b"battery staple")
    plain = tmp_path / "plain"
    assert generate(plain, None) == load_private(plain, b"which it doesn't take").public
    with pytest.raises(UsageError, match="an empty passphrase protects nothing"):
        generate(tmp_path / "third", b"")


@pytest.mark.parametrize("taken", ["key", "key.pub"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).symlink_to("nowhere")
    with pytest.raises(UsageError, match=f"{taken} is there already, and a key is never overwritten"):
        generate(tmp_path / "key", None)
    assert [each.name for each in tmp_path.iterdir()] == [taken]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"the key .*/file/key can't be written: ."):
        generate(tmp_path / "file" / "key", None)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o610])
def test_a_private_key_that_others_can_have_is_refused(tmp_path: Path, mode: int) -> None:
    generate(tmp_path / "key", None)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(UsageError, match=f"isn't only yours: its mode is {mode:04o}") as refused:
        load_private(tmp_path / "key", None)
    assert "chmod 600" in refused.value.hint


EC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no public key .*/key"),
        (lambda path: path.write_text("a key"), "is no public key"),
        (
            lambda path: path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
            "is no public",
        ),
        (lambda path: path.write_text(EC), "is no ed25519 key"),
        (lambda path: path.write_bytes(b"x" * (1 << 17)), "is too large for a public key"),
        (lambda path: generate(path, None), "is a private key"),
        (lambda path: path.mkdir(), "key"),
        (lambda path: os.mkfifo(path), "is no file with a public key"),
    ],
)
def test_what_is_no_public_key(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    make(tmp_path / "key")
    with pytest.raises(UsageError, match=says):
        load_public(tmp_path / "key")


def test_who_lacks_a_public_key_isnt_told_to_make_a_pair(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load_public(tmp_path / "theirs.pub")
    assert refused.value.hint == "Name the FILE.pub that `buildbox keygen` wrote for whoever signs."


def test_what_is_no_private_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    generate(path, None)
    whole = path.read_bytes()
    for text in (b"a key", public_path(path).read_bytes(), whole[:60], b""):
        path.write_bytes(text)
        with pytest.raises(UsageError, match="is no private key"):
            load_private(path, None)
    rsa = ["openssl", "genpkey", "-algorithm", "X25519", "-out", str(path)]
    subprocess.run(rsa, capture_output=True, check=True)
    with pytest.raises(UsageError, match="is no ed25519 key"):
        load_private(path, None)
