"""Ed25519 keys in files, as `openssl pkey` reads and writes them: PKCS #8 in PEM, with a passphrase if wanted
(RFC 5958), and for the public one SubjectPublicKeyInfo in PEM (RFC 8410).

A key's id is the one of securesystemslib, which in-toto and TUF use: the sha256 of its canonical JSON.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

_MOST = 64 << 10  # bytes of a file with a key
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAKE = "Make one: buildbox keygen"
_NAME_ONE = "Name the FILE.pub that `buildbox keygen` wrote for whoever signs."


class Locked(UsageError):
    """A private key that takes a passphrase, and there was none."""


@dataclass(frozen=True)
class PublicKey:
    """What signatures are held against."""

    id: str  # 64 hex digits
    pem: bytes
    told: str = field(default="", compare=False)  # where it is from, for people


@dataclass(frozen=True)
class PrivateKey:
    """What signs."""

    public: PublicKey
    secret: Ed25519PrivateKey = field(repr=False)


def public_path(path: Path) -> Path:
    """Where the public key of the private one in `path` is."""
    return path.with_name(f"{path.name}.pub")


def check_free(path: Path) -> None:
    """Raises UsageError where a new pair in `path` would take the place of anything."""
    for each in (path, public_path(path)):
        if os.path.lexists(each):
            hint = "What it signed could not be verified any more. Name another file, or move it away."
            raise UsageError(f"{each} is there already, and a key is never overwritten", hint)


def generate(path: Path, passphrase: bytes | None) -> PublicKey:
    """A new key pair in `path`, for its owner only, and in `path`.pub.

    Raises UsageError; files that are there are left as they are.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if passphrase == b"":
        raise UsageError("an empty passphrase protects nothing", "Give one, or leave --passphrase out.")
    check_free(path)
    secret = Ed25519PrivateKey.generate()
    locked = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    data = secret.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
    public = _public(secret.public_key(), str(public_path(path)))
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
        _write(path, data, 0o600)
        try:
            _write(public_path(path), public.pem, 0o644)
        except OSError:
            path.unlink()
            raise
    except OSError as error:
        reason = f"the key {path} can't be written: {error.strerror}"
        raise UsageError(reason, "Name a file in a folder where you may write.") from None
    return public


def load_private(path: Path, passphrase: bytes | None) -> PrivateKey:
    """The private key in the file `path`; a passphrase that it doesn't take is left alone.

    Raises UsageError: Locked where it takes a passphrase and `passphrase` is None.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path, "private key", private=True)
    try:
        if passphrase is not None and b"ENCRYPTED" not in data:
            passphrase = None
        key = load_pem_private_key(data, passphrase)
    except TypeError:
        raise Locked(f"the key {path} is locked with a passphrase", "Give its passphrase.") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if passphrase is not None:
            reason = f"{path}: that isn't the passphrase of this key, or it is damaged"
            raise UsageError(reason, "Give the one that the key was made with.") from None
        raise UsageError(f"{path} is no private key: {error}", _MAKE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is no ed25519 key", _MAKE)
    return PrivateKey(_public(key.public_key(), str(path)), key)


def load_public(path: Path) -> PublicKey:
    """The public key in the file `path`. Raises UsageError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _read(path, "public key")
    if b"PRIVATE KEY" in data:
        raise UsageError(f"{path} is a private key", f"Name its public one, which is in {public_path(path)}.")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{path} is no public key", _NAME_ONE) from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is no ed25519 key", _NAME_ONE)
    return _public(key, str(path))


def library_key(key: PublicKey) -> SSlibKey:
    """The key as securesystemslib has it."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(load_pem_public_key(key.pem))


def _public(key: Ed25519PublicKey, told: str) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.signer import SSlibKey

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(SSlibKey.from_crypto(key).keyid, pem, told)


def _read(path: Path, what: str, *, private: bool = False) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may have no writer
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{path} is no file with a {what}")
            if private and found.st_mode & _OTHERS:
                raise UsageError(
                    f"the private key {path} isn't only yours: its mode is {found.st_mode & 0o7777:04o}",
                    f"If nobody else has read it: chmod 600 {path}. Else make a new one: buildbox keygen",
                )
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no {what} {path}", _MAKE if private else _NAME_ONE) from None
    except OSError as error:
        raise UsageError(f"the {what} {path} can't be read: {error.strerror}") from None
    if len(data) > _MOST:
        raise UsageError(f"{path} is too large for a {what}")
    return data


def _write(path: Path, data: bytes, mode: int) -> None:
    """Raises OSError: FileExistsError where there is anything of that name. Half a file doesn't stay."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
    except OSError:
        path.unlink(missing_ok=True)
        raise
