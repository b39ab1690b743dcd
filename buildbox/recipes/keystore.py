"""Java's keystore of the authorities it trusts, which says of each when it was put in.

The package ca-certificates-java makes it while it is being installed, with the time of day. Its format is
JKS: big-endian, and written down only in OpenJDK's sun.security.provider.JavaKeyStore, engineStore().
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
from pathlib import Path

from buildbox.errors import ImageError

PACKAGE = "ca-certificates-java"
KEYSTORE = "./etc/ssl/certs/java/cacerts"
_PASSWORD = "changeit"  # everyone's: nothing in it is secret
_MAGIC, _VERSION, _CERTIFICATE = 0xFEEDFEED, 2, 2
_DIGEST = 20  # bytes of SHA-1 at the end


def settle_keystore(tar: Path, seconds: int) -> None:
    """Dates the certificates in the keystore of the root file system `tar` to `seconds`, in place.

    Raises ImageError where there is no such keystore or it can't be read.
    """
    try:
        with tarfile.open(tar, "r:") as root:
            member = next((each for each in root if each.name == KEYSTORE), None)
        if member is None:
            raise ValueError("isn't there")
        with open(tar, "r+b") as file:
            file.seek(member.offset_data)
            settled = dated(file.read(member.size), seconds)
            file.seek(member.offset_data)
            file.write(settled)
    except (ValueError, tarfile.TarError) as error:
        raise ImageError(
            f"Java's keystore {KEYSTORE[1:]} in the new root {error}",
            "The image would differ each time that it is built.",
        ) from None


def dated(data: bytes, seconds: int) -> bytes:
    """The keystore `data` with `seconds` as the date of every entry; no other byte of an entry changes.

    Raises ValueError where it isn't a whole keystore of certificates.
    """
    body = bytearray(data[:-_DIGEST])
    if _sum(body) != data[-_DIGEST:]:
        raise ValueError("is no whole JKS keystore")
    try:
        magic, version, count = struct.unpack_from(">III", body)
        if (magic, version) != (_MAGIC, _VERSION):
            raise ValueError("is of a version that is not known here")
        place = 12
        for _ in range(count):
            (kind,) = struct.unpack_from(">I", body, place)
            if kind != _CERTIFICATE:
                raise ValueError("holds more than certificates")
            place = _after_text(body, place + 4)  # the entry's alias
            struct.pack_into(">q", body, place, seconds * 1000)
            place = _after_text(body, place + 8)  # the certificate's type
            place += 4 + struct.unpack_from(">I", body, place)[0]
    except struct.error:
        raise ValueError("ends in the middle of an entry") from None
    if place != len(body):
        raise ValueError("has something behind its last entry")
    return bytes(body) + _sum(body)


def _after_text(body: bytearray, place: int) -> int:
    return place + 2 + int(struct.unpack_from(">H", body, place)[0])


def _sum(body: bytes | bytearray) -> bytes:
    # The words are the format's, to tell it from a hash of the password and the entries alone.
    return hashlib.sha1(_PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()
