from __future__ import annotations

import hashlib

import pytest

from buildbox.digest import Digest

HEX = "0123456789abcdef" * 4


def test_a_digest_and_its_text() -> None:
    digest = Digest.parse(f"sha256:{HEX}")
    assert (digest.hex, digest.short, str(digest)) == (HEX, "0123456789ab", f"sha256:{HEX}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a digest"),
        (HEX, "not a digest"),
        (f"sha512:{HEX}{HEX}", "'sha512' is not supported"),
        (f"sha256:{HEX.upper()}", "lower-case"),
        (f"sha256:{HEX[1:]}", "63"),
        (f"sha256:{HEX}0", "65"),
        (f"sha256:{HEX[1:]}g", "64 hex digits"),
        (f"sha256:{HEX}\n", "64 hex digits"),
        (f"sha256:../{HEX[3:]}", "64 hex digits"),
    ],
)
def test_what_is_no_digest(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Digest.parse(text)


def test_the_digest_of_bytes() -> None:
    assert Digest.of(b"abc") == Digest(hashlib.sha256(b"abc").hexdigest())
