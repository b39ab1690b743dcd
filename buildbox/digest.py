"""Content digests, as in the OCI image specification (descriptor.md, section "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK = 1 << 17  # bytes read, hashed and sent at a time: they stay in the processor's cache


@dataclass(frozen=True, order=True)
class Digest:
    """A sha256 content digest, written `sha256:<64 lower-case hex digits>`.

    sha256 is the only algorithm accepted: it is the only one that registries must support.
    """

    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest that `text` spells. Raises ValueError saying what is wrong with it."""
        if _SHA256.fullmatch(text):
            return cls(text[7:])
        algorithm, colon, value = text.partition(":")
        if not colon:
            raise ValueError(f"{text!r} is not a digest (sha256:<64 hex digits>)")
        if algorithm != "sha256":
            raise ValueError(f"digest algorithm {algorithm!r} is not supported; use sha256")
        if value.lower() != value:
            raise ValueError("a sha256 digest is written in lower-case hex")
        raise ValueError(f"a sha256 digest has 64 hex digits, this one is {value!r} ({len(value)})")

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self.hex[:12]
