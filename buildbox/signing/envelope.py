"""Signed statements: DSSE 1.0 (protocol.md, envelope.md of secure-systems-lab/dsse), by securesystemslib.

What is signed is the payload's bytes and its type, so nothing needs to be written in a canonical form.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from buildbox.errors import Mismatch
from buildbox.signing.keys import PrivateKey, PublicKey, library_key

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MOST_SIGNATURES = 100


@dataclass(frozen=True)
class Signature:
    """Of an envelope. Whose it is isn't known before it is verified."""

    key: str  # the id of the key that is said to have made it; "" where none is named
    data: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload of the type PAYLOAD_TYPE with at least one signature."""

    payload: bytes
    signatures: tuple[Signature, ...]


def sign(payload: bytes, key: PrivateKey) -> bytes:
    """`payload` in a DSSE envelope that `key` signed: one line of JSON without its end."""
    from securesystemslib.dsse import Envelope as LibraryEnvelope
    from securesystemslib.signer import CryptoSigner

    envelope = LibraryEnvelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key.secret))
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode()


def open_envelope(data: bytes) -> Envelope:
    """The DSSE envelope in `data`; its signatures aren't verified. Raises ValueError."""
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it isn't a JSON object")
    if value.get("payloadType") != PAYLOAD_TYPE:
        raise ValueError(f"its payload isn't of the type {PAYLOAD_TYPE}")
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MOST_SIGNATURES:
        raise ValueError(f"it doesn't have 1 to {_MOST_SIGNATURES} signatures")
    return Envelope(_base64(value.get("payload")), tuple(_signature(each) for each in signatures))


def verify(envelope: Envelope, keys: Sequence[PublicKey]) -> tuple[str, ...]:
    """The ids of those of `keys` that signed it, in their order. Raises Mismatch where none did.

    Ids in the envelope are hints that anybody may have written: every key is tried.
    """
    from securesystemslib.dsse import Envelope as LibraryEnvelope
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature as LibrarySignature

    signed = LibraryEnvelope(envelope.payload, PAYLOAD_TYPE, {}).pae()
    found = []
    for key in keys:
        library = library_key(key)
        for signature in envelope.signatures:
            try:
                library.verify_signature(LibrarySignature(library.keyid, signature.data.hex()), signed)
            except UnverifiedSignatureError:
                continue
            found.append(key.id)
            break
    if not found:
        raise _refusal(envelope, keys)
    return tuple(dict.fromkeys(found))


def _refusal(envelope: Envelope, keys: Sequence[PublicKey]) -> Mismatch:
    named = {signature.key for signature in envelope.signatures}
    trusted = [key for key in keys if key.id in named]
    if trusted:
        told = ", ".join(key.told or key.id for key in trusted)
        return Mismatch(
            f"the signature isn't that of {told}, which it names",
            "It, or what it signs, was changed after it was signed.",
        )
    others = (
        ", ".join(sorted(name if name.isprintable() else "?" for name in named if name)) or "an unnamed key"
    )
    trust = "\n".join(f"{key.id}  {key.told}".rstrip() for key in keys)
    return Mismatch(
        f"it is signed by another key: {others}",
        f"Trusted here:\n{trust}\nName the other one's public key with --key FILE if you trust it.",
    )


def _signature(value: Any) -> Signature:
    if not isinstance(value, dict):
        raise ValueError("a signature isn't a JSON object")
    key = value.get("keyid", "")
    if not isinstance(key, str) or len(key) > 256:
        raise ValueError("a signature's keyid isn't a short string")
    return Signature(key, _base64(value.get("sig")))


def _base64(text: Any) -> bytes:
    """Standard or URL-safe base64, of which a reader has to take both (envelope.md)."""
    import base64

    if not isinstance(text, str):
        raise ValueError("its payload or a signature isn't a string")
    standard = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(standard, validate=True)
